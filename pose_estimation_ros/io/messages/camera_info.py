"""Reads sensor_msgs/CameraInfo; what it means is in engine/camera_model.py."""

from __future__ import annotations

from pose_estimation_ros.engine.camera_model import Calibration
from pose_estimation_ros.io.messages.message_types import CameraInfoMessage


def to_calibration(msg: CameraInfoMessage) -> Calibration:
    """The calibration in a message; `Calibration.camera_for` checks it."""
    roi = msg.roi
    return Calibration(
        size=(int(msg.width), int(msg.height)),
        k=tuple(float(value) for value in msg.k),
        p=tuple(float(value) for value in msg.p),
        d=tuple(float(value) for value in msg.d),
        distortion_model=str(msg.distortion_model),
        binning=(int(msg.binning_x), int(msg.binning_y)),
        region=(int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)),
    )
