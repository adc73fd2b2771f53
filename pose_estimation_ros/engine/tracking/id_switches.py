"""Identities that change without reason, counted without knowing who is who."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.poses import TRACK_LOST, Poses

_SAME_PLACE_IOU = 0.5


class SwitchCounter:
    """Counts the persons who are where somebody of another identity was in the frame before.

    From one frame to the next a person hardly moves, so that box and identity go together; where
    the best overlap is with another identity, two have been swapped or one was born anew. People
    who pass close before each other may be counted, too.
    """

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._boxes: FloatArray = np.zeros((0, 4), np.float32)

    def count(self, poses: Poses) -> int:
        """The switches from the frame before to this one."""
        here = (poses.track_states != TRACK_LOST) & (poses.track_ids >= 0)
        ids, boxes = poses.track_ids[here].tolist(), poses.boxes[here]
        switches = 0
        if ids and self._ids:
            overlap = box_iou(boxes, self._boxes)
            best = overlap.argmax(axis=1)
            for person, before in enumerate(best.tolist()):
                same_place = overlap[person, before] >= _SAME_PLACE_IOU
                switches += bool(same_place and self._ids[before] != ids[person])
        self._ids, self._boxes = ids, boxes
        return switches
