"""CameraInfo is read as its definition says: size, region, binning, and P of rectified images."""

from __future__ import annotations

import dataclasses

import pytest

from pose_estimation_ros.engine.camera_model import Calibration, CameraModel, is_rectified
from pose_estimation_ros.errors import InputError


def _k(fx: float, fy: float, cx: float, cy: float) -> tuple[float, ...]:
    return (fx, 0, cx, 0, fy, cy, 0, 0, 1)


FULL = Calibration((640, 480), _k(600, 610, 320, 240), d=(-0.3, 0.1, 0, 0, 0))


@pytest.mark.parametrize(
    ("change", "size", "expected"),
    [
        ({}, (640, 480), (600, 610, 320, 240)),
        ({"size": (0, 0)}, (123, 45), (600, 610, 320, 240)),
        ({"binning": (0, 0)}, (640, 480), (600, 610, 320, 240)),
        ({"binning": (2, 2)}, (320, 240), (300, 305, 160, 120)),
        ({"binning": (2, 1)}, (320, 480), (300, 610, 160, 240)),
        ({"size": (641, 481), "binning": (2, 2)}, (320, 241), (300, 305, 160, 120)),
        ({"region": (160, 120, 320, 240)}, (320, 240), (600, 610, 160, 120)),
        ({"region": (0, 0, 640, 480)}, (640, 480), (600, 610, 320, 240)),
        ({"region": (160, 120, 320, 240), "binning": (2, 2)}, (160, 120), (300, 305, 80, 60)),
    ],
)
def test_region_and_binning(
    change: dict, size: tuple[int, int], expected: tuple[float, ...]
) -> None:
    camera = dataclasses.replace(FULL, **change).camera_for(*size)
    assert camera == CameraModel(*expected, distortion=FULL.d)


def test_of_a_rectified_image_p_holds() -> None:
    p = (240.0, 0, 150, 0, 0, 250, 115, 0, 0, 0, 1, 0)
    calibration = dataclasses.replace(FULL, p=p, binning=(2, 2))
    assert calibration.camera_for(320, 240, rectified=True) == CameraModel(120, 125, 75, 57.5)
    without_p = dataclasses.replace(FULL, d=(0.1, 0.2))  # of no use, and of no harm here
    assert without_p.camera_for(640, 480, rectified=True) == CameraModel(600, 610, 320, 240)


@pytest.mark.parametrize(
    ("change", "size", "words"),
    [
        ({}, (320, 240), "camera_info is for 640x480 px, the image has 320x240"),
        ({}, (639, 480), "the image has 639x480"),
        ({"binning": (2, 2)}, (640, 480), "camera_info is for 320x240 px"),
        ({"region": (160, 120, 320, 240)}, (640, 480), "camera_info is for 320x240 px"),
        ({"d": (0.1, 0.2, 0.3)}, (640, 480), "3 coefficients"),
        ({"d": (float("nan"),) * 5}, (640, 480), "expected finite numbers"),
        ({"k": _k(-600, 600, 320, 240)}, (640, 480), "expected finite numbers"),
        ({"d": (0.1,) * 5, "distortion_model": "equidistant"}, (640, 480), "expected 4"),
        ({"d": (0.9,), "distortion_model": "fov"}, (640, 480), "distortion model 'fov'"),
    ],
)
def test_what_contradicts_itself_is_named(change: dict, size: tuple[int, int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        dataclasses.replace(FULL, **change).camera_for(*size)


def test_an_uncalibrated_camera_has_no_model() -> None:
    assert Calibration((640, 480), (0.0,) * 9).camera_for(640, 480) is None
    unknown = Calibration((0, 0), _k(1, 1, 0, 0), d=(0.0,), distortion_model="fov")
    assert unknown.camera_for(8, 8) is not None, "without coefficients no model is needed"


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/cam/image_rect", True),
        ("/cam/image_rect_color", True),
        ("/cam/image_rect/compressed", True),
        ("/zed/rgb/color/rect/image", True),
        ("/left/rectified/image", True),
        ("/cam/image_raw", False),
        ("/direct/image", False),
        ("/rectangle/image_raw", False),
    ],
)
def test_rectified_topics(topic: str, rectified: bool) -> None:
    assert is_rectified(topic) is rectified
