"""Converts sensor_msgs/CameraInfo to a camera model."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.errors import InputError, quoted
from pose_estimation_ros.io.messages.message_types import CameraInfoMessage

_DISTORTIONS = (
    4,
    5,
    8,
    12,
    14,
)  # lengths that OpenCV accepts: plumb_bob, rational, thin prism, tilted


def to_camera(msg: CameraInfoMessage) -> CameraModel | None:
    """Returns the intrinsics, or None if they are zero (an uncalibrated camera).

    Raises:
        InputError: the intrinsics are invalid.
    """
    fx, fy, cx, cy = (float(msg.k[index]) for index in (0, 4, 2, 5))
    if fx == 0 and fy == 0:
        return None
    distortion = tuple(float(value) for value in msg.d)
    fisheye = msg.distortion_model in ("equidistant", "fisheye")
    if not (np.isfinite([fx, fy, cx, cy, *distortion]).all() and fx > 0 and fy > 0):
        raise InputError(
            f"camera_info has focal lengths {fx:g} and {fy:g}, centre {cx:g}, {cy:g} and the "
            f"distortion {list(distortion)}: expected finite numbers: calibrate the camera"
        )
    lengths = (4,) if fisheye else _DISTORTIONS
    if any(distortion) and len(distortion) not in lengths:
        raise InputError(
            f"camera_info has {len(distortion)} coefficients for {quoted(msg.distortion_model)}, "
            f"expected {' or '.join(map(str, lengths))}: calibrate the camera"
        )
    return CameraModel(fx, fy, cx, cy, distortion, fisheye)
