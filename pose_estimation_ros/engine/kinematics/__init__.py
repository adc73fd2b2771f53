"""The human body as links and revolute joints: its sizes and its joint angles."""

from pose_estimation_ros.engine.kinematics.body_links import LINKS, BodySize, Link
from pose_estimation_ros.engine.kinematics.body_size import BodySizeEstimate
from pose_estimation_ros.engine.kinematics.joint_angles import (
    BodyPosture,
    body_posture,
    turned_about,
)

__all__ = [
    "LINKS",
    "BodyPosture",
    "BodySize",
    "BodySizeEstimate",
    "Link",
    "body_posture",
    "turned_about",
]
