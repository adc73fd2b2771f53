"""How long the parts of a body are, from its joints in many images."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.kinematics.body_links import BodySize

# Shares of the body's height: Drillis and Contini, in Winter, Biomechanics and Motor Control of
# Human Movement, figure 4.1. Shoulders and hips are 0.818 and 0.530 of it above the ground.
_SHARES = {
    "torso": 0.288,
    "shoulder": 0.129,
    "hip": 0.0955,
    "upper_arm": 0.186,
    "forearm": 0.146,
    "thigh": 0.245,
    "shank": 0.246,
    "neck": 0.052,
    "head": 0.065,
}
# The joints between which a length is; the torso's is between two midpoints.
_SPANS = {
    "upper_arm": [("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow")],
    "forearm": [("left_elbow", "left_wrist"), ("right_elbow", "right_wrist")],
    "thigh": [("left_hip", "left_knee"), ("right_hip", "right_knee")],
    "shank": [("left_knee", "left_ankle"), ("right_knee", "right_ankle")],
}
_NEEDED = ("torso", "shoulder", "hip")
# A length is the median of so many images, and known after so many.
_WINDOW, _ENOUGH = 60, 8


class BodySizeEstimate:
    """The sizes of one person, which settle while they are seen.

    What was never seen, as legs behind a desk, is in proportion to what was.
    """

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {
            field.name: deque(maxlen=_WINDOW) for field in fields(BodySize)
        }

    def update(self, joints: Mapping[str, AnyArray]) -> None:
        """Takes the joints (3,) of one image, in metres, by their COCO names."""
        for name, spans in _SPANS.items():
            found = [
                _length(joints[a], joints[b]) for a, b in spans if a in joints and b in joints
            ]
            if found:
                self._seen[name].append(sum(found) / len(found))
        middles = {}
        for name in ("shoulder", "hip"):
            if f"left_{name}" in joints and f"right_{name}" in joints:
                left, right = joints[f"left_{name}"], joints[f"right_{name}"]
                self._seen[name].append(_length(left, right) / 2)
                middles[name] = (left + right) / 2
        if len(middles) == 2:
            self._seen["torso"].append(_length(middles["shoulder"], middles["hip"]))

    @property
    def size(self) -> BodySize | None:
        """The sizes; None until the torso's are known."""
        known = {
            name: float(np.median(seen))
            for name, seen in self._seen.items()
            if len(seen) >= _ENOUGH
        }
        if any(known.get(name, 0.0) <= 0.0 for name in _NEEDED):
            return None
        # Shoulders and hips vary with the model's idea of depth; the torso's length does least.
        height = known["torso"] / _SHARES["torso"]
        return BodySize(
            **{name: known.get(name, share * height) for name, share in _SHARES.items()}
        )


def _length(a: AnyArray, b: AnyArray) -> float:
    return float(np.linalg.norm(np.asarray(b, float) - np.asarray(a, float)))
