"""Where a person's box is between two runs of the detector, told by the joints."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.poses import JointEstimates

_CONFIDENT = 0.5  # of the best joint's score
_FEWEST_JOINTS = 3
_STEP = 1.15  # largest growth or shrinkage of the box from one frame to the next
_MARGIN = 0.24  # of the longer side: joints do not reach the outline
_SHRINKAGE = 0.9


class BoxPropagator:
    """Moves and scales the detector's box as the joints in it move and spread.

    A box drawn around the joints alone would be another crop than the pose model was trained with,
    and would change its size whenever a joint is lost; the same joints are compared instead.
    """

    def __init__(self, box: AnyArray, xy: AnyArray, scores: AnyArray) -> None:
        """Starts from a detected box (4,) px and the joints (k, 2), (k,) estimated in it."""
        # In float64, whose rounding is lost in the float32 that comes out: joints that stay give
        # exactly the same box, and so the same crop and the same joints again.
        self._box, self._xy = np.asarray(box, np.float64), np.asarray(xy, np.float64)
        self._confident = scores >= _CONFIDENT * scores.max()
        self._last = self._box

    def update(self, xy: AnyArray, scores: AnyArray) -> FloatArray:
        """The box (4,) px for joints (k, 2), (k,) of a later frame."""
        common = self._confident & (scores >= _CONFIDENT * scores.max())
        if common.sum() < _FEWEST_JOINTS:
            return self._last.astype(np.float32)
        then, now = self._xy[common], np.asarray(xy, np.float64)[common]
        centre_then, centre_now = then.mean(axis=0), now.mean(axis=0)
        spread_then = np.linalg.norm(then - centre_then, axis=1).mean()
        spread_now = np.linalg.norm(now - centre_now, axis=1).mean()
        scale = spread_now / max(float(spread_then), 1.0)
        corners = (self._box.reshape(2, 2) - centre_then) * scale + centre_now
        self._last = self._limit(corners.reshape(4))
        return self._last.astype(np.float32)

    def _limit(self, box: AnyArray) -> AnyArray:
        size, last = box[2:] - box[:2], self._last[2:] - self._last[:2]
        size = np.clip(size, last / _STEP, last * _STEP)
        centre = (box[:2] + box[2:]) / 2
        return np.concatenate([centre - size / 2, centre + size / 2])


def boxes_around_joints(joints: JointEstimates, boxes: FloatArray) -> FloatArray:
    """Boxes (n, 4) px around the confident joints of persons whose boxes were (n, 4).

    They have a margin, and shrink by at most a tenth at a time, so that an arm lost for a frame
    does not cut the crop.
    """
    if len(joints) == 0:
        return boxes
    floor = _CONFIDENT * joints.scores.max(axis=1, keepdims=True)
    unsure = (joints.scores < floor)[..., None]
    low = np.where(unsure, np.inf, joints.xy).min(axis=1)
    high = np.where(unsure, -np.inf, joints.xy).max(axis=1)
    size = high - low
    size = size + _MARGIN * size.max(axis=1, keepdims=True)
    size = np.maximum(size, _SHRINKAGE * (boxes[:, 2:] - boxes[:, :2]))
    centre = (low + high) / 2
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)
