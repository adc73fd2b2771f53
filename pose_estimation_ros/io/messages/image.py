"""From image messages to pixels: a view where the encoding allows it, else one conversion."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import InputError, quoted
from pose_estimation_ros.io.messages.compressed_image_header import image_size
from pose_estimation_ros.io.messages.cv_bridge_check import cv_bridge
from pose_estimation_ros.io.messages.message_types import CompressedImageMessage, ImageMessage
from pose_estimation_ros.settings import MAX_IMAGE_PIXELS

# Encoding -> (channels, bytes a channel, OpenCV conversion of its high bytes to BGR or None where
# there is none to make).
# OpenCV names a Bayer pattern by its second row, ROS by its first: hence the other letters.
_ENCODINGS: dict[str, tuple[int, int, int | None]] = {
    "bgr8": (3, 1, None),
    "rgb8": (3, 1, None),
    "8UC3": (3, 1, None),
    "bgra8": (4, 1, cv2.COLOR_BGRA2BGR),
    "8UC4": (4, 1, cv2.COLOR_BGRA2BGR),
    "rgba8": (4, 1, cv2.COLOR_RGBA2BGR),
    "mono8": (1, 1, cv2.COLOR_GRAY2BGR),
    "8UC1": (1, 1, cv2.COLOR_GRAY2BGR),
    "mono16": (1, 2, cv2.COLOR_GRAY2BGR),
    "yuv422": (2, 1, cv2.COLOR_YUV2BGR_UYVY),
    "uyvy": (2, 1, cv2.COLOR_YUV2BGR_UYVY),
    "yuv422_yuy2": (2, 1, cv2.COLOR_YUV2BGR_YUY2),
    "yuyv": (2, 1, cv2.COLOR_YUV2BGR_YUY2),
    "bayer_rggb8": (1, 1, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": (1, 1, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": (1, 1, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": (1, 1, cv2.COLOR_BayerGB2BGR),
    "bgr16": (3, 2, None),
    "16UC3": (3, 2, None),
    "16UC4": (4, 2, cv2.COLOR_BGRA2BGR),
    "rgb16": (3, 2, cv2.COLOR_RGB2BGR),
    "bgra16": (4, 2, cv2.COLOR_BGRA2BGR),
    "rgba16": (4, 2, cv2.COLOR_RGBA2BGR),
    "bayer_rggb16": (1, 2, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr16": (1, 2, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg16": (1, 2, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg16": (1, 2, cv2.COLOR_BayerGB2BGR),
}
_PLANAR = {"nv12": cv2.COLOR_YUV2BGR_NV12, "nv21": cv2.COLOR_YUV2BGR_NV21}
_NV24 = "nv24"
# 16UC1 as well: a mono image of 16 bits is mono16, and this one holds depth in mm (REP 118).
_NO_COLOURS = ("16UC1", "8UC2", "16UC2", "8S", "16S", "32S", "32F", "64F")
_PIXELS_OF_NOTHING = "its values are no colours (a depth image?): remap to the colour image"
_FARTHEST_M = 200.0  # beyond what depth cameras and stereo measure
_SAMPLE = 7  # one pixel of so many each way tells the unit; odd, since holes may be stripes
_DEPTH = {"16UC1": (np.uint16, 1e-3), "mono16": (np.uint16, 1e-3), "32FC1": (np.float32, 1.0)}


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Checks that an image has pixels, and not too many, before memory is allocated.

    Raises:
        InputError: the size is zero or over the limit.
    """
    if width < 1 or height < 1:
        raise InputError(f"image of {width}x{height} px has no pixels")
    if width * height > max_pixels:
        raise InputError(
            f"image of {width}x{height} px is over the limit of {max_pixels} px: raise "
            "max_image_pixels if it is meant"
        )


def _view(
    msg: ImageMessage, pixel_bytes: int, rows: int, max_pixels: int = MAX_IMAGE_PIXELS
) -> AnyArray:
    """Views the message's bytes as (rows, width, pixel_bytes) uint8, honouring the step."""
    row_bytes = msg.width * pixel_bytes
    step = msg.step or row_bytes
    check_size(msg.width, msg.height, max_pixels)
    if step < row_bytes:
        raise InputError(
            f"image has a step of {step} bytes, but {msg.width} px of {msg.encoding} take "
            f"{row_bytes}: the driver fills the message wrongly"
        )
    needed = step * (rows - 1) + row_bytes
    data = np.frombuffer(msg.data, np.uint8)
    if len(data) < needed:
        raise InputError(
            f"image of {msg.width}x{msg.height} {msg.encoding} has {len(data)} bytes of data, "
            f"expected {needed}: the message was cut off"
        )
    return np.ndarray((rows, msg.width, pixel_bytes), np.uint8, data, 0, (step, pixel_bytes, 1))


def _words(view: AnyArray, dtype: Any, big_endian: bool) -> AnyArray:
    """Converts bytes (rows, width, n) to words (rows, width) in native byte order."""
    kind = np.dtype(dtype).newbyteorder(">" if big_endian else "<")
    return np.ascontiguousarray(view).view(kind)[..., 0].astype(dtype, copy=False)


def to_image(msg: ImageMessage, max_pixels: int = MAX_IMAGE_PIXELS) -> Image:
    """Converts an image message to pixels; bgr8 and rgb8 are views into the message.

    Raises:
        InputError: the encoding is unknown, size, step and data contradict each other, or the
            image has more than `max_pixels`.
    """
    if msg.encoding in _PLANAR:
        _check_even(msg)
        view = _view(msg, 1, msg.height * 3 // 2, max_pixels)
        return Image(_bgr(view[..., 0], _PLANAR[msg.encoding]))
    if msg.encoding == _NV24:
        return Image(_bgr(_as_nv12(msg, max_pixels), cv2.COLOR_YUV2BGR_NV12))
    if msg.encoding not in _ENCODINGS:
        check_size(msg.width, msg.height, max_pixels)
        return _through_cv_bridge(msg)
    channels, channel_bytes, conversion = _ENCODINGS[msg.encoding]
    view = _view(msg, channels * channel_bytes, msg.height, max_pixels)
    if channel_bytes == 2:
        # The models take 8 bits: keep the high byte of each channel.
        view = np.ascontiguousarray(view[..., 0 if msg.is_bigendian else 1 :: 2])
    if conversion is None:
        return Image(view, "rgb" if msg.encoding == "rgb8" else "bgr")
    return Image(_bgr(view if channels > 1 else view[..., 0], conversion))


def _check_even(msg: ImageMessage) -> None:
    if msg.width % 2 or msg.height % 2:
        size = f"{msg.width}x{msg.height}"
        raise InputError(f"{msg.encoding} image of {size} px: width and height must be even")


def _as_nv12(msg: ImageMessage, max_pixels: int) -> AnyArray:
    """An nv24 image, whose colours have every pixel, with every second one across and down."""
    _check_even(msg)
    planes = _view(msg, 1, 3 * msg.height, max_pixels)[..., 0]
    luma, colours = planes[: msg.height], planes[msg.height :]
    if msg.step not in (0, msg.width):
        raise InputError(
            f"nv24 image with a step of {msg.step} bytes for {msg.width} px: expected rows "
            "without padding"
        )
    pairs = colours.reshape(msg.height, msg.width, 2)[::2, ::2]
    return np.concatenate([luma, pairs.reshape(-1, msg.width)])


def _through_cv_bridge(msg: ImageMessage) -> Image:
    """Converts an encoding that only cv_bridge may know."""
    if msg.encoding.startswith(_NO_COLOURS):
        name = quoted(msg.encoding)
        raise InputError(f"image encoding {name} is not supported: {_PIXELS_OF_NOTHING}")
    known = ", ".join([*_ENCODINGS, *_PLANAR, _NV24])
    hint = f"use one of {known}"
    bridge, why = cv_bridge()
    if bridge is None:
        hint += f"; cv_bridge, which may know it, is not importable ({why})"
        raise InputError(f"image encoding {quoted(msg.encoding)} is not supported: {hint}")
    try:
        return Image(np.asarray(bridge.imgmsg_to_cv2(msg, "bgr8"), np.uint8))
    except Exception as error:  # CvBridgeError, but also what its C++ part throws
        reason = " ".join(str(error).split())
        name = quoted(msg.encoding)
        text = f"image encoding {name} is not supported by cv_bridge either ({reason})"
        raise InputError(f"{text}: {hint}") from error


def _bgr(pixels: AnyArray, conversion: int) -> Any:
    try:
        return cv2.cvtColor(pixels, conversion)
    except cv2.error as error:
        raise InputError(f"image cannot be converted: {error.err}") from error


def to_image_compressed(msg: CompressedImageMessage, max_pixels: int = MAX_IMAGE_PIXELS) -> Image:
    """Decodes a compressed image message: JPEG, PNG or WebP.

    Raises:
        InputError: the data is not such an image, or the image has more than `max_pixels`.
    """
    data = np.frombuffer(msg.data, np.uint8)
    size = image_size(data.data)
    if size is not None:
        check_size(*size, max_pixels)
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if size is not None else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise InputError(
            f"compressed image of {len(data)} bytes, format {quoted(msg.format)}, cannot be "
            "decoded: expected a whole JPEG, PNG or WebP image"
        )
    return Image(np.asarray(pixels, np.uint8))


def to_depth(msg: ImageMessage, max_pixels: int = MAX_IMAGE_PIXELS) -> FloatArray:
    """Converts a depth image, 16UC1 (mm) or 32FC1 (m), to metres; holes are 0 or NaN.

    Raises:
        InputError: it is of another encoding, its size, step and data contradict each other, it
            has more than `max_pixels`, or its metres are millimetres.
    """
    if msg.encoding not in _DEPTH:
        name = quoted(msg.encoding)
        raise InputError(f"depth encoding {name} is not supported: use 16UC1 or 32FC1")
    dtype, metres = _DEPTH[msg.encoding]
    view = _view(msg, np.dtype(dtype).itemsize, msg.height, max_pixels)
    words = _words(view, dtype, bool(msg.is_bigendian))
    with np.errstate(invalid="ignore"):  # the data may hold signalling NaNs
        depth_m = (words * np.float32(metres)).astype(np.float32, copy=False)
    if msg.encoding == "32FC1":
        _check_metres(depth_m)
    return depth_m


def _check_metres(depth_m: FloatArray) -> None:
    """Raises InputError where most of a depth image is farther than any camera measures."""
    some = depth_m[::_SAMPLE, ::_SAMPLE]
    measured = some[np.isfinite(some) & (some > 0)]
    typical = float(np.median(measured)) if len(measured) else 0.0
    if typical > _FARTHEST_M:
        raise InputError(
            f"depth of 32FC1 has values such as {typical:.0f}: expected metres; millimetres are "
            "16UC1 (REP 118)"
        )
