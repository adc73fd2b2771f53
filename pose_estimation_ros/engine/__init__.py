"""The product without ROS: NumPy and OpenCV in, dataclasses out.

Nothing in here imports rclpy; torch, openvino and the like are imported where they are used.
"""

from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.pipelines import CameraSession, Models
from pose_estimation_ros.engine.pipelines.hybrid import HybridPipeline
from pose_estimation_ros.engine.pipelines.v3_single_person import V3Pipeline
from pose_estimation_ros.engine.pipelines.v4_multi_person import V4Pipeline
from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.engine.skeletons import SKELETONS, Skeleton
from pose_estimation_ros.engine.types import Detections, Frame, Image, PoseResult
from pose_estimation_ros.errors import (
    CancelledError,
    ConfigError,
    InputError,
    ModelError,
    PoseEstimationError,
    RuntimeMissingError,
)

__all__ = [
    "SKELETONS",
    "CameraModel",
    "CameraSession",
    "CancelToken",
    "CancelledError",
    "ConfigError",
    "Detections",
    "Frame",
    "HybridPipeline",
    "Image",
    "InputError",
    "ModelError",
    "Models",
    "PoseEstimationError",
    "PoseResult",
    "Poses",
    "RuntimeMissingError",
    "Skeleton",
    "V3Pipeline",
    "V4Pipeline",
]
