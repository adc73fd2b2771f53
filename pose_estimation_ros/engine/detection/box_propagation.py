"""A person's box between two looks of the detector, led by the joints."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray

_SURE = 0.5  # of the best joint's score
_FEWEST = 3
_STEP = 1.15  # most growth or shrinkage of the box from one frame to the next


class BoxFollower:
    """Moves and scales the detector's box as the joints in it move and spread.

    A box drawn around the joints alone would be another crop than the pose model was trained with,
    and would change its size whenever a joint is lost; the same joints are compared instead.
    """

    def __init__(self, box: AnyArray, xy: AnyArray, scores: AnyArray) -> None:
        """Starts from a detected box (4,) and the joints (k, 2), (k,) estimated in it."""
        self._box, self._xy = np.array(box), np.array(xy)
        self._sure = scores >= _SURE * scores.max()
        self._last = self._box

    def follow(self, xy: AnyArray, scores: AnyArray) -> FloatArray:
        """The box (4,) for joints (k, 2), (k,) of a later frame."""
        common = self._sure & (scores >= _SURE * scores.max())
        if common.sum() < _FEWEST:
            return self._last.astype(np.float32)
        then, now = self._xy[common], xy[common]
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
