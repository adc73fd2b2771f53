"""Results with persons whose joints have positions in metres."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.poses import JointEstimates, Poses
from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.engine.types import PoseResult

HIPS, NOSE, WRIST = (11, 12), 0, 9


def poses_at(*persons: dict[int, tuple[float, float, float]]) -> PoseResult:
    """Persons with the positions of some joints."""
    count, joints = len(persons), len(COCO17.joints)
    positions = np.full((count, joints, 3), np.nan, np.float32)
    for index, known in enumerate(persons):
        for joint, place in known.items():
            positions[index, joint] = place
    nan = np.full((count, joints), np.nan, np.float32)
    scores = np.where(np.isfinite(positions).all(axis=2), 0.9, 0.0).astype(np.float32)
    return PoseResult(
        Poses(
            boxes=np.tile(np.array([0, 0, 10, 10], np.float32), (count, 1)),
            scores=np.full(count, 0.9, np.float32),
            joints=JointEstimates(np.zeros((count, joints, 2), np.float32), scores, nan),
            positions_m=positions,
            track_ids=np.arange(count, dtype=np.int32) + 3,
            track_states=np.ones(count, np.int32),
            depth_sources=np.ones(count, np.int32),
            skeleton=COCO17,
        ),
        "v4",
    )


WHOLE = {HIPS[0]: (1.0, 0.0, 4.0), HIPS[1]: (2.0, 0.0, 4.0), NOSE: (1.5, -1.0, 3.5)}
NO_HIPS = {NOSE: (0.0, 0.0, 2.0), WRIST: (0.0, 1.0, 3.0), 10: (0.0, 5.0, 3.0)}
