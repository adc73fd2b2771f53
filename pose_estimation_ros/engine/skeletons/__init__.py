"""Skeletons as data, which of them a model estimates, and what two of them have in common."""

from pose_estimation_ros.engine.skeletons.of_model import (
    skeleton_named,
    skeleton_of_model,
    skeleton_of_size,
)
from pose_estimation_ros.engine.skeletons.skeleton import Skeleton, common_joints, place_of
from pose_estimation_ros.engine.skeletons.table import (
    AIC14,
    BODY25,
    COCO17,
    COCO_WHOLEBODY133,
    CROWDPOSE14,
    H36M17,
    H36M18,
    HALPE26,
    MEDIAPIPE33,
    MPII16,
    MUCO21,
    SKELETONS,
)

__all__ = [
    "AIC14",
    "BODY25",
    "COCO17",
    "COCO_WHOLEBODY133",
    "CROWDPOSE14",
    "H36M17",
    "H36M18",
    "HALPE26",
    "MEDIAPIPE33",
    "MPII16",
    "MUCO21",
    "SKELETONS",
    "Skeleton",
    "common_joints",
    "place_of",
    "skeleton_named",
    "skeleton_of_model",
    "skeleton_of_size",
]
