"""Identity switches, counted without ground truth."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.poses import Poses

_SAME_PLACE_IOU = 0.5


class IdSwitchCounter:
    """Counts persons who stand where a person of another identity stood in the last frame.

    From one frame to the next a person hardly moves, so box and identity belong together: where
    the best overlap is with another identity, two were swapped or one started anew. People who
    pass close in front of each other may be counted, too.
    """

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._boxes: FloatArray = np.zeros((0, 4), np.float32)

    def count(self, poses: Poses) -> int:
        """The switches from the last frame to this one."""
        seen = poses[poses.in_sight & (poses.track_ids >= 0)]
        ids, boxes = seen.track_ids.tolist(), seen.boxes
        switches = 0
        if ids and self._ids:
            overlap = box_iou(boxes, self._boxes)
            best = overlap.argmax(axis=1)
            for person, before in enumerate(best.tolist()):
                same_place = overlap[person, before] >= _SAME_PLACE_IOU
                switches += bool(same_place and self._ids[before] != ids[person])
        self._ids, self._boxes = ids, boxes
        return switches
