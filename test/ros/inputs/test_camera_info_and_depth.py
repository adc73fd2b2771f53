"""Depth and intrinsics belong to an image, or a warning says why they do not."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.ros.inputs.camera_info_and_depth import CameraInfoAndDepth

IMAGE = Image(np.zeros((240, 320, 3), np.uint8))
RECEIVED_S = 1000.0


class Inputs(CameraInfoAndDepth):
    """With a clock that stands, and the warnings kept."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        super().__init__(self.warnings.append, lambda: RECEIVED_S)

    def depth_of(self, stamp_s: float, received_s: float = RECEIVED_S) -> np.ndarray | None:
        return self.depth_for(IMAGE, stamp_s, received_s, 10**6)


def _depth(stamp_s: float, width: int = 320, height: int = 240) -> ImageMsg:
    data = np.full((height, width), 2500, np.uint16)
    message = ImageMsg(width=width, height=height, encoding="16UC1", step=2 * width)
    message.header.stamp.sec = int(stamp_s)
    message.header.stamp.nanosec = round((stamp_s % 1) * 1e9)
    message.data = data.tobytes()
    return message


@pytest.mark.parametrize(
    ("depth_stamp_s", "stamp_s", "received_s", "used"),
    [
        (500.0, 500.0, RECEIVED_S, True),
        (500.0, 500.15, RECEIVED_S, True),
        (500.0, 500.5, RECEIVED_S, False),
        (0.0, 0.0, RECEIVED_S + 0.1, True),
        (0.0, 0.0, RECEIVED_S + 5, False),
    ],
)
def test_depth_of_another_moment_is_not_used(
    depth_stamp_s: float, stamp_s: float, received_s: float, used: bool
) -> None:
    inputs = Inputs()
    inputs.take_depth(_depth(depth_stamp_s))
    depth = inputs.depth_of(stamp_s, received_s)
    assert (depth is not None) is used
    if depth is not None:
        np.testing.assert_allclose(depth, 2.5)
        assert not inputs.warnings
    else:
        assert "s older than its image" in inputs.warnings[0]


@pytest.mark.parametrize(
    ("depth", "stamp_s", "words"),
    [
        (_depth(0.0), 500.0, "it has no time in header.stamp"),
        (_depth(500.0), 0.0, "the image has no time in header.stamp"),
        (_depth(500.0, 256, 256), 500.0, "256x256 px and the image 320x240"),
        (_depth(500.0, 240, 320), 500.0, "of the same proportions"),
    ],
)
def test_depth_that_does_not_fit_is_named(depth: ImageMsg, stamp_s: float, words: str) -> None:
    inputs = Inputs()
    inputs.take_depth(depth)
    assert inputs.depth_of(stamp_s) is None
    assert words in inputs.warnings[0]


@pytest.mark.parametrize(("width", "height"), [(640, 480), (160, 120), (106, 80)])
def test_depth_of_another_resolution_is_used(width: int, height: int) -> None:
    inputs = Inputs()
    inputs.take_depth(_depth(500.0, width, height))
    assert inputs.depth_of(500.0) is not None


def test_intrinsics_of_another_size_are_named() -> None:
    inputs = Inputs()
    assert inputs.model_for(IMAGE, "/cam/image_raw") is None and not inputs.warnings
    k = [300.0, 0, 160, 0, 300, 120, 0, 0, 1]
    inputs.take_camera_info(CameraInfo(width=640, height=480, k=k))
    assert inputs.model_for(IMAGE, "/cam/image_raw") is None
    assert "/cam/image_raw: no positions: camera_info is for 640x480 px" in inputs.warnings[0]
    inputs.take_camera_info(CameraInfo(width=320, height=240, k=k))
    assert inputs.model_for(IMAGE, "/cam/image_raw") is not None
