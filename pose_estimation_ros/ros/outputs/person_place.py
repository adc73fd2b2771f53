"""Where each person is, in metres: one position and one box out of those of the joints."""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.poses import Poses


def set_xyz(vector: Any, values: AnyArray) -> None:
    """Sets x, y and z of a message (Point, Vector3) to values (3,)."""
    vector.x, vector.y, vector.z = values.tolist()


def person_positions(poses: Poses) -> FloatArray:
    """Positions (n, 3) of persons in metres; NaN where none of their joints has one.

    That of the root, between the hips; where it is unknown, the median of the joints that are.
    """
    places = np.full((len(poses), 3), np.nan, np.float32)
    for person, joints in enumerate(poses.positions_m):
        root = joints[list(poses.skeleton.roots)]
        known = joints[np.isfinite(joints).all(axis=1)]
        if np.isfinite(root).all():
            places[person] = root.mean(axis=0)
        elif len(known):
            places[person] = np.median(known, axis=0)
    return places


def person_boxes(poses: Poses) -> tuple[FloatArray, FloatArray]:
    """Centres and sizes, both (n, 3) in metres, of boxes along the axes around the joints.

    NaN where no joint has a position.
    """
    centres = np.full((len(poses), 3), np.nan, np.float32)
    sizes = centres.copy()
    for person, joints in enumerate(poses.positions_m):
        known = joints[np.isfinite(joints).all(axis=1)]
        if len(known):
            low, high = known.min(axis=0), known.max(axis=0)
            centres[person], sizes[person] = (low + high) / 2, high - low
    return centres, sizes
