"""Every encoding against OpenCV's own conversion; bad messages with the reason."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.messages import cv_bridge_check as bridge
from pose_estimation_ros.io.messages.camera_info import to_calibration
from pose_estimation_ros.io.messages.compressed_image_header import image_size
from pose_estimation_ros.io.messages.image import to_depth, to_image, to_image_compressed

HEIGHT, WIDTH = 48, 64
RNG = np.random.default_rng(0)


def _message(data: np.ndarray, encoding: str, pad: int = 0, **more: object) -> ImageMsg:
    """A message of (rows, ...) data with `pad` bytes of rubbish after each row."""
    rows = data.reshape(data.shape[0], -1).view(np.uint8)
    rows = np.concatenate([rows, np.full((len(rows), pad), 255, np.uint8)], axis=1)
    message = ImageMsg(height=HEIGHT, width=WIDTH, encoding=encoding, step=rows.shape[1], **more)
    message.data = rows.tobytes()
    return message


def _noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, np.uint8)


CONVERTED = [
    ("bgra8", (HEIGHT, WIDTH, 4), cv2.COLOR_BGRA2BGR),
    ("rgba8", (HEIGHT, WIDTH, 4), cv2.COLOR_RGBA2BGR),
    ("mono8", (HEIGHT, WIDTH), cv2.COLOR_GRAY2BGR),
    ("yuv422", (HEIGHT, WIDTH, 2), cv2.COLOR_YUV2BGR_UYVY),
    ("yuv422_yuy2", (HEIGHT, WIDTH, 2), cv2.COLOR_YUV2BGR_YUYV),
    ("nv12", (HEIGHT * 3 // 2, WIDTH), cv2.COLOR_YUV2BGR_NV12),
    ("nv21", (HEIGHT * 3 // 2, WIDTH), cv2.COLOR_YUV2BGR_NV21),
    ("bayer_rggb8", (HEIGHT, WIDTH), cv2.COLOR_BayerRGGB2BGR),
    ("bayer_bggr8", (HEIGHT, WIDTH), cv2.COLOR_BayerBGGR2BGR),
    ("bayer_gbrg8", (HEIGHT, WIDTH), cv2.COLOR_BayerGBRG2BGR),
    ("bayer_grbg8", (HEIGHT, WIDTH), cv2.COLOR_BayerGRBG2BGR),
]


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize(("encoding", "shape", "conversion"), CONVERTED)
def test_converted_encodings(encoding: str, shape: tuple, conversion: int, pad: int) -> None:
    data = _noise(*shape)
    image = to_image(_message(data, encoding, pad))
    assert image.order == "bgr"
    np.testing.assert_array_equal(image.pixels, cv2.cvtColor(data, conversion))


@pytest.mark.parametrize("pad", [0, 3, 7])
@pytest.mark.parametrize(("encoding", "order"), [("bgr8", "bgr"), ("rgb8", "rgb")])
def test_colour_is_a_view_of_the_message(encoding: str, order: str, pad: int) -> None:
    data = _noise(HEIGHT, WIDTH, 3)
    message = _message(data, encoding, pad)
    image = to_image(message)
    assert image.order == order
    np.testing.assert_array_equal(image.pixels, data)
    assert np.shares_memory(image.pixels, np.frombuffer(message.data, np.uint8))


CONVERTED_16 = [
    ("bgr16", 3, None),
    ("rgb16", 3, cv2.COLOR_RGB2BGR),
    ("bgra16", 4, cv2.COLOR_BGRA2BGR),
    ("16UC3", 3, None),
    ("16UC4", 4, cv2.COLOR_BGRA2BGR),
    ("rgba16", 4, cv2.COLOR_RGBA2BGR),
    ("mono16", 1, cv2.COLOR_GRAY2BGR),
    ("bayer_rggb16", 1, cv2.COLOR_BayerRGGB2BGR),
    ("bayer_bggr16", 1, cv2.COLOR_BayerBGGR2BGR),
    ("bayer_gbrg16", 1, cv2.COLOR_BayerGBRG2BGR),
    ("bayer_grbg16", 1, cv2.COLOR_BayerGRBG2BGR),
]


@pytest.mark.parametrize("pad", [0, 6])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("encoding", "channels", "conversion"), CONVERTED_16)
def test_16_bit_encodings_of_either_endianness(
    encoding: str, channels: int, conversion: int | None, big: bool, pad: int
) -> None:
    """As OpenCV converts the 16-bit values, to within the rounding of its colour arithmetic."""
    values = RNG.integers(0, 65536, (HEIGHT, WIDTH, channels)).astype(np.uint16)
    sent = values.astype(">u2" if big else "<u2")
    image = to_image(_message(sent, encoding, pad, is_bigendian=int(big)))
    pixels = values if channels > 1 else values[..., 0]
    expected = pixels if conversion is None else cv2.cvtColor(pixels, conversion)
    difference = image.pixels.astype(int) - (expected >> 8)
    assert image.pixels.shape == (HEIGHT, WIDTH, 3) and np.abs(difference).max() <= 1


def test_nv24_is_as_nv12_with_the_colours_of_every_second_pixel() -> None:
    luma, colours = _noise(HEIGHT, WIDTH), _noise(HEIGHT, WIDTH, 2)
    data = np.concatenate([luma, colours.reshape(2 * HEIGHT, WIDTH)])
    message = _message(data, "nv24")
    few = np.concatenate([luma, colours[::2, ::2].reshape(HEIGHT // 2, WIDTH)])
    expected = cv2.cvtColor(few, cv2.COLOR_YUV2BGR_NV12)
    np.testing.assert_array_equal(to_image(message).pixels, expected)


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1", "32FC3", "8UC2", "16SC1"])
def test_what_holds_no_colours_is_said_to_be_so(encoding: str) -> None:
    with pytest.raises(InputError, match="no colours") as refused:
        to_image(_message(_noise(HEIGHT, WIDTH, 3), encoding))
    assert encoding in str(refused.value)


def test_a_step_of_zero_means_rows_without_padding() -> None:
    data = _noise(HEIGHT, WIDTH, 3)
    message = _message(data, "bgr8")
    message.step = 0
    np.testing.assert_array_equal(to_image(message).pixels, data)


@pytest.mark.parametrize("big", [False, True])
def test_mono16_of_either_endianness(big: bool) -> None:
    values = RNG.integers(0, 65536, (HEIGHT, WIDTH)).astype(">u2" if big else "<u2")
    image = to_image(_message(values, "mono16", is_bigendian=int(big)))
    expected = (values.astype(np.uint16) >> 8).astype(np.uint8)
    np.testing.assert_array_equal(image.pixels[..., 0], expected)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("encoding", "kind", "unit"), [("16UC1", "u2", 1e-3), ("32FC1", "f4", 1)])
def test_depth_is_in_metres(encoding: str, kind: str, unit: float, big: bool) -> None:
    top = 9000 if encoding == "16UC1" else 9
    values = RNG.integers(0, top, (HEIGHT, WIDTH)).astype((">" if big else "<") + kind)
    message = _message(values, encoding, pad=8, is_bigendian=int(big))
    np.testing.assert_allclose(to_depth(message), values.astype(float) * unit, rtol=1e-6)


def test_millimetres_in_an_encoding_of_metres_are_refused() -> None:
    values = np.full((HEIGHT, WIDTH), 2500, np.float32)
    values[:, ::2] = np.nan
    with pytest.raises(InputError, match=r"2500.*millimetres are 16UC1"):
        to_depth(_message(values, "32FC1"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoding": "hsv9"}, ["'hsv9'", "bgr8"]),
        ({"encoding": ""}, ["''", "bgr8"]),
        ({"step": 10}, ["step of 10", str(3 * WIDTH)]),
        ({"height": HEIGHT + 1}, ["cut off", f"{WIDTH}x{HEIGHT + 1}"]),
        ({"height": 0}, ["no pixels"]),
        ({"width": 0}, ["no pixels"]),
        ({"encoding": "nv12", "height": 3, "width": 3}, ["3x3", "even"]),
        ({"data": b""}, ["0 bytes"]),
    ],
)
def test_bad_images_are_named(change: dict, words: list) -> None:
    message = _message(_noise(HEIGHT, WIDTH, 3), "bgr8")
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(InputError) as caught:
        to_image(message)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_compressed(extension: str) -> None:
    pixels = cv2.GaussianBlur(_noise(HEIGHT, WIDTH, 3), (9, 9), 3)
    encoded = cv2.imencode(extension, pixels)[1]
    image = to_image_compressed(CompressedImage(format=extension[1:], data=encoded.tobytes()))
    np.testing.assert_allclose(image.pixels.astype(int), pixels.astype(int), atol=12)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff but no more", b"text" * 100])
def test_broken_compressed_images_are_named(data: bytes) -> None:
    with pytest.raises(InputError, match="cannot be decoded"):
        to_image_compressed(CompressedImage(format="jpeg", data=data))


def test_what_a_message_says_cannot_make_up_log_lines() -> None:
    message = _message(_noise(HEIGHT, WIDTH, 3), "x\n[INFO] all is well" + "y" * 10_000)
    with pytest.raises(InputError) as caught:
        to_image(message)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"d": [0.1, 0.2, 0.3]}, "3 coefficients"),
        ({"d": [float("nan")] * 5}, "expected finite numbers"),
        ({"k": [-600.0, 0, 320, 0, 610, 240, 0, 0, 1]}, "expected finite numbers"),
        ({"d": [0.1] * 5, "distortion_model": "equidistant"}, "expected 4"),
    ],
)
def test_intrinsics_that_are_none_are_named(change: dict, words: str) -> None:
    info = CameraInfo(k=[600.0, 0, 320, 0, 610, 240, 0, 0, 1], d=[0.0] * 5)
    for name, value in change.items():
        setattr(info, name, value)
    with pytest.raises(InputError, match=words):
        to_calibration(info).camera_for(640, 480)


def test_camera_info() -> None:
    info = CameraInfo(k=[600.0, 0, 320, 0, 610, 240, 0, 0, 1], d=[0.1, 0.0, 0, 0, 0])
    camera = to_calibration(info).camera_for(640, 480)
    assert camera is not None
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (600, 610, 320, 240)
    assert (
        to_calibration(CameraInfo()).camera_for(640, 480) is None
    )  # what an uncalibrated driver sends


class _Bridge:
    """What cv_bridge offers; the real one comes with ROS and is not on this machine's index."""

    def imgmsg_to_cv2(self, message: ImageMsg, encoding: str) -> np.ndarray:
        assert encoding == "bgr8"
        if message.encoding != "yuv411":
            raise RuntimeError(f"[{message.encoding}] is not a color format")
        values = np.frombuffer(message.data, np.float32)
        return values.reshape(message.height, message.width, 3).astype(np.uint8)


def test_exotic_encodings_go_through_cv_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pose_estimation_ros.io.messages.image.cv_bridge", lambda: (_Bridge(), ""))
    values = RNG.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.float32)
    image = to_image(_message(values, "yuv411"))
    np.testing.assert_array_equal(image.pixels, values.astype(np.uint8))
    with pytest.raises(InputError, match="not a color format"):
        to_image(_message(values, "klingon16"))


@pytest.mark.parametrize(
    "text",
    [
        "raise ImportError('numpy.core.multiarray failed to import')",
        "raise AttributeError('_ARRAY_API not found')",
        "raise SystemError('initialization of _cv_bridge failed')",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    ],
)
def test_a_cv_bridge_of_another_numpy_takes_nothing_with_it(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cv_bridge.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.delitem(sys.modules, "cv_bridge", raising=False)
    bridge.cv_bridge.cache_clear()
    try:
        with pytest.raises(InputError, match="cv_bridge"):
            to_image(_message(_noise(HEIGHT, WIDTH, 12), "yuv411"))
        assert to_image(_message(_noise(HEIGHT, WIDTH, 3), "bgr8")).pixels.shape[2] == 3
    finally:
        bridge.cv_bridge.cache_clear()


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
def test_the_size_of_a_compressed_image_is_read_off_its_header(extension: str) -> None:
    for width, height in ((1, 1), (37, 301), (640, 480)):
        _, data = cv2.imencode(extension, np.full((height, width, 3), 90, np.uint8))
        assert image_size(data.tobytes()) == (width, height)


def test_a_thumbnail_inside_a_jpeg_is_not_taken_for_the_image() -> None:
    _, whole = cv2.imencode(".jpg", np.zeros((480, 640, 3), np.uint8))
    _, small = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
    thumbnail = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small.tobytes()
    data = whole.tobytes()
    assert image_size(data[:2] + thumbnail + data[2:]) == (640, 480)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    _, data = cv2.imencode(".png", np.zeros((300, 400), np.uint8))
    message = CompressedImage(format="png", data=data.tobytes())
    assert to_image_compressed(message, 400 * 300).pixels.shape == (300, 400, 3)
    with pytest.raises(InputError, match="400x300 px is over the limit of 119999 px: raise max"):
        to_image_compressed(message, 400 * 300 - 1)
    raw = ImageMsg(width=60_000, height=60_000, encoding="mono8", step=60_000)
    with pytest.raises(InputError, match="60000x60000 px is over the limit"):
        to_image(raw)


def test_a_png_whose_chunks_do_not_fit_reaches_no_decoder() -> None:
    _, data = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))
    whole = data.tobytes()
    assert image_size(whole) == (64, 48)
    for damaged in (
        whole[:33] + b"\xff\xff\xff\x92" + whole[37:],  # OpenCV would take 4 GB for it
        whole[:-1],
        whole[:33] + b"\0\0\0\x08acTL\0\0\0\x01\0\0\0\0\0\0\0\0" + whole[33:],
    ):
        assert image_size(damaged) is None
        with pytest.raises(InputError, match="expected a whole JPEG, PNG or WebP image"):
            to_image_compressed(CompressedImage(format="png", data=damaged))


def test_formats_whose_size_is_not_known_reach_no_decoder() -> None:
    _, data = cv2.imencode(".bmp", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InputError, match="expected a whole JPEG, PNG or WebP image"):
        to_image_compressed(CompressedImage(format="bmp", data=data.tobytes()))
