"""Where a person's box is going: centre and size, each with a rate."""

from __future__ import annotations

import math

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray

_TIME_CONSTANT_S = 0.1
_LONGEST_PREDICTION_S = 0.5
_FASTEST = 6.0  # longer sides of the box a second: a sprinter's body heights
_FASTEST_GROWTH = 1.0  # of the logarithm of the size, 1/s
_LEAST_SIDE = 1.0  # px
_LEAST_STEP_S = 0.008  # where time stands still, rates fade all the same


class BoxMotion:
    """The last box of a person, and how fast its centre and its size change.

    Edges by themselves would pass each other: somebody who goes behind a wall loses one side of
    the box only, and would be predicted inside out. The rates are filtered by time, not by image:
    a pixel of jitter counts as a pixel a time constant, however close two stamps are, and the sum
    of many small steps counts as much as one large one.
    """

    def __init__(self, box: AnyArray) -> None:
        """Stands still at a box (4,) px."""
        self._centre, self._size = _centre_and_size(box)
        self._velocity, self._growth = np.zeros(2), np.zeros(2)

    def predicted(self, ahead_s: float) -> AnyArray:
        """The box (4,) px so many seconds after the last one; never empty, never inside out.

        A person that vanished is expected where they were heading, but not for long.
        """
        ahead_s = min(max(ahead_s, 0.0), _LONGEST_PREDICTION_S)
        centre = self._centre + self._velocity * ahead_s
        half = self._size * np.exp(self._growth * ahead_s) / 2
        return np.concatenate([centre - half, centre + half])

    def update(self, box: AnyArray, dt_s: float) -> None:
        """The person's box (4,) px is seen there, `dt_s` >= 0 after the last one."""
        centre, size = _centre_and_size(box)
        dt_s = max(dt_s, _LEAST_STEP_S)
        keep = math.exp(-dt_s / _TIME_CONSTANT_S)
        gain = (1 - keep) / dt_s  # the share of the new rate, by the time that it is a rate over
        velocity = keep * self._velocity + gain * (centre - self._centre)
        growth = keep * self._growth + gain * np.log(size / self._size)
        fastest = _FASTEST * float(size.max())
        speed = float(np.hypot(*velocity))
        self._velocity = velocity * min(1.0, fastest / max(speed, 1e-9))
        self._growth = np.clip(growth, -_FASTEST_GROWTH, _FASTEST_GROWTH)
        self._centre, self._size = centre, size


def _centre_and_size(box: AnyArray) -> tuple[AnyArray, AnyArray]:
    corners = np.asarray(box, np.float64).reshape(2, 2)
    return corners.mean(axis=0), np.maximum(corners[1] - corners[0], _LEAST_SIDE)
