"""What camera drivers send, through the node: the same people whatever the encoding."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from pose_estimation_ros.msg import PoseArray
from processes import Rig
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMsg


def _nv12(bgr: np.ndarray) -> np.ndarray:
    height, width = bgr.shape[:2]
    planes = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    luma, chroma = np.split(planes, [height * width])
    return np.concatenate([luma, chroma.reshape(2, -1).T.reshape(-1)]).reshape(-1, width)


def _bayer(bgr: np.ndarray) -> np.ndarray:
    """The pattern RGGB."""
    mosaic = bgr[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = bgr[::2, ::2, 2], bgr[1::2, 1::2, 0]
    return mosaic


def _padded(rows: np.ndarray) -> np.ndarray:
    flat = rows.reshape(rows.shape[0], -1)
    return np.concatenate([flat, np.full((len(flat), 24), 255, np.uint8)], axis=1)


# Encoding -> from BGR pixels to the rows of the message; 16-bit ones are big-endian here.
ENCODERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rgb8": lambda bgr: _padded(bgr[..., ::-1]),
    "bgra8": lambda bgr: cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA),
    "nv12": _nv12,
    "bayer_rggb8": _bayer,
    "rgb16": lambda bgr: (bgr[..., ::-1].astype(">u2") * 257).view(np.uint8),
}


def _image(bgr: np.ndarray, encoding: str) -> ImageMsg:
    rows = np.ascontiguousarray(ENCODERS[encoding](bgr) if encoding in ENCODERS else bgr)
    rows = rows.reshape(rows.shape[0], -1)
    message = ImageMsg(height=bgr.shape[0], width=bgr.shape[1], encoding=encoding)
    message.step, message.is_bigendian = rows.shape[1], int(encoding.endswith("16"))
    message.data = rows.tobytes()
    return message


def _answer(rig: Rig, publisher: object, message: ImageMsg | CompressedImage) -> PoseArray:
    """The answer to this image; it is sent again until one comes, as images may get lost."""
    for _ in range(30):
        message.header.stamp = rig.client.node.get_clock().now().to_msg()
        publisher.publish(message)
        rig.client.spin_for(0.3)
        for answer in rig.client.poses:
            if answer.header.stamp == message.header.stamp:
                return answer
    raise AssertionError("no answer")


def _centres(answer: PoseArray) -> np.ndarray:
    boxes = [person.box for person in answer.poses]
    return np.array([(b.x_offset + b.width / 2, b.y_offset + b.height / 2) for b in boxes])


def _same_people(answer: PoseArray, other: PoseArray) -> bool:
    ours, theirs = _centres(answer), _centres(other)
    if len(ours) != len(theirs) or not len(ours):
        return False
    distance = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
    return bool(distance.min(axis=1).max() < 30)


def test_every_kind_of_encoding_shows_the_same_people(rig: Rig, scene_frames: list) -> None:
    rig.start_node(pipeline="v4", enable_tracking=False, cache_size=0)
    publisher = rig.client.node.create_publisher(ImageMsg, "image", 1)
    pixels = np.ascontiguousarray(scene_frames[0])
    plain = _answer(rig, publisher, _image(pixels, "bgr8"))
    assert len(plain.poses) >= 3
    for encoding in ENCODERS:
        answer = _answer(rig, publisher, _image(pixels, encoding))
        assert _same_people(answer, plain), encoding


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_compressed_images(rig: Rig, scene_frames: list, kind: str) -> None:
    rig.start_node(wait=False, pipeline="v4", compressed=True)
    publisher = rig.client.node.create_publisher(CompressedImage, "image/compressed", 1)
    rig.client.spin_until(lambda: publisher.get_subscription_count() > 0)
    data = cv2.imencode(f".{kind}", scene_frames[0])[1].tobytes()
    answer = _answer(rig, publisher, CompressedImage(format=kind, data=data))
    assert len(answer.poses) >= 3
    assert (answer.image_width, answer.image_height) == (960, 540)
    assert answer.times.decode > 0
