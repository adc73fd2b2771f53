"""What is no image, frame or depth is refused by what came; no model is blamed for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import cv2
import numpy as np
import pytest

from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.pipelines import Models, build_pipeline
from pose_estimation_ros.engine.types import LARGEST_SIDE, Frame, Image
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.settings import PipelineOptions

BGR = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)


def _pillow() -> Any:
    return pytest.importorskip("PIL.Image", reason="it makes the image").fromarray(BGR)


WRONG = {
    "grey": (lambda: BGR[..., 0], r"an array of 24x32 uint8: .*COLOR_GRAY2BGR"),
    "grey with a channel": (lambda: BGR[..., :1], r"24x32x1 uint8: .*COLOR_GRAY2BGR"),
    "four channels": (lambda: np.dstack([BGR, BGR[..., :1]]), r"24x32x4 uint8: .*BGRA2BGR"),
    "two channels": (lambda: BGR[..., :2], r"24x32x2 uint8: expected BGR"),
    "floats": (lambda: BGR / np.float32(255), r"24x32x3 float32: .*255 \* image"),
    "16 bits": (lambda: BGR.astype(np.uint16) * 257, "24x32x3 uint16"),
    "signed": (lambda: BGR.astype(np.int8), "24x32x3 int8"),
    "truth values": (lambda: BGR > 100, "24x32x3 bool"),
    "objects": (lambda: BGR.astype(object), "24x32x3 object"),
    "channels first": (lambda: BGR.transpose(2, 0, 1), r"3x24x32 .*transpose\(1, 2, 0\)"),
    "a batch": (lambda: BGR[None], "1x24x32x3 uint8: .*one image at a time"),
    "no rows": (lambda: BGR[:0], "0x32x3 uint8: .*no pixels"),
    "one number": (lambda: np.uint8(3), "a numpy.uint8: expected BGR"),
    "None": (lambda: None, "None, as cv2.imread gives"),
    "a list": (BGR.tolist, "a list: expected BGR"),
    "a path": (lambda: "people.jpg", "a str: expected BGR"),
    "Pillow's": (_pillow, r"a PIL.Image: .*convert\('RGB'\)"),
    "too wide": (lambda: np.zeros((2, LARGEST_SIDE + 1, 3), np.uint8), "32767x2 px: .*smaller"),
    "too high": (lambda: np.zeros((LARGEST_SIDE + 1, 2, 3), np.uint8), "2x32767 px: .*smaller"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_image_is_named(name: str) -> None:
    make, words = WRONG[name]
    with pytest.raises(InputError, match=words):
        Image(make())


@pytest.mark.parametrize(
    "pixels",
    [BGR, BGR[::-1], BGR[:, ::-1], BGR[::2, ::3], np.asfortranarray(BGR), BGR[:1, :1]],
    ids=["plain", "upside down", "mirrored", "with steps", "by columns", "one pixel"],
)
@pytest.mark.parametrize("pipeline", ["v3", "v4"])
def test_every_layout_of_an_image_is_answered(
    pixels: np.ndarray, pipeline: str, embedded_models: Models
) -> None:
    result = build_pipeline(pipeline, embedded_models, PipelineOptions()).process(
        Frame(Image(pixels), 0.0)
    )
    assert not any(status.reasons for status in embedded_models.statuses().values())
    assert np.isfinite(result.poses.boxes).all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"image": BGR}, r"the frame's image is a ndarray: expected Image\(pixels\)"),
        ({"stamp_s": float("nan")}, "the stamp is nan: expected seconds, or None"),
        ({"stamp_s": float("inf")}, "the stamp is inf"),
        ({"stamp_s": "12"}, "the stamp is '12'"),
        ({"stamp_s": datetime(2026, 1, 1)}, r"the stamp is datetime.datetime\(2026"),
        ({"camera": (600, 600, 320, 240)}, "the camera is a tuple: expected CameraModel"),
        ({"stamp_s": 10**9999}, "the stamp is a huge int"),
        ({"stamp_s": 10**400}, "the stamp is 1000000"),
        ({"camera": CameraModel(float("nan"), 600, 320, 240)}, "camera's fx is nan: .* above 0"),
        ({"camera": CameraModel(600, 0, 320, 240)}, "camera's fy is 0: .* px above 0"),
        ({"camera": CameraModel(-600, 600, 320, 240)}, "camera's fx is -600"),
        ({"camera": CameraModel(600, 600, float("inf"), 240)}, "camera's cx is inf"),
        ({"camera": CameraModel("600", 600, 320, 240)}, "camera's fx is "),
        ({"camera": CameraModel(600, 600, 320, 240, (1, 2, 3))}, r"distortion is \(1, 2, 3\)"),
        ({"camera": CameraModel(600, 600, 320, 240, (1, 2), True)}, "expected 4 numbers"),
        ({"camera": CameraModel(600, 600, 320, 240, np.eye(4))}, "distortion is"),
        ({"camera": CameraModel(600, 600, 320, 240, (0, 0, 0, float("nan")))}, "distortion is"),
        ({"depth_m": np.ma.masked_array(np.ones((24, 32)))}, r"masked array.*filled\(numpy.nan\)"),
        ({"depth_m": BGR}, r"the depth is a ndarray \(24, 32, 3\) uint8: .* of floats, in met"),
        ({"depth_m": BGR[..., 0]}, r"\(24, 32\) uint8: .* of floats, in metres"),
        ({"depth_m": np.zeros((0, 0))}, r"\(0, 0\) float64"),
        ({"depth_m": 2.5}, "the depth is a float: expected an array"),
    ],
)
def test_what_is_no_frame_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Frame(**{"image": Image(BGR), **fields})


def test_numbers_of_every_kind_are_stamps() -> None:
    for stamp_s in (0, 1.5, np.float32(2), np.int64(3), None):
        Frame(Image(BGR), stamp_s, depth_m=np.ones((24, 32)))


def test_a_wrong_image_is_forgotten_at_once(embedded_models: Models) -> None:
    """No model has failed, and the next image gets its own answer."""
    pipeline = build_pipeline("v4", embedded_models, PipelineOptions())
    picture = cv2.resize(BGR, (320, 240))
    before = pipeline.process(Frame(Image(picture)))
    with pytest.raises(InputError):
        pipeline.process(Frame(Image(picture[..., 0])))
    assert not any(status.failures for status in embedded_models.statuses().values())
    after = pipeline.process(Frame(Image(picture)))
    np.testing.assert_array_equal(after.poses.boxes, before.poses.boxes)
