"""When a camera's next image is due, and whether waiting for it makes poses fresher."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

_INTERVALS = 5
_MAX_COST = 0.05  # of the time that an answer takes; what waiting may cost
_LATE = 0.1  # of a period, that an image may come later than it is due


class NextImageWait:
    """Tracks the period of a camera's images and their processing time.

    Where an answer takes longer than a period, the image that waits at its end may be nearly
    a period old while a new one is about to come. For an answer of 500 ms and images every
    33 ms, waiting up to 25 ms costs 2 % of the answers and takes 15 ms off the mean age.
    """

    def __init__(self) -> None:
        self._last_s = math.nan
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)
        self._answer_s = 0.0

    def arrived(self, now_s: float) -> None:
        """Records the arrival of an image."""
        if not math.isnan(self._last_s):
            self._intervals.append(now_s - self._last_s)
        self._last_s = now_s

    def answered(self, duration_s: float) -> None:
        """Records the processing time of an image."""
        self._answer_s = duration_s

    def wait_for_newer_s(self, received_s: float, now_s: float) -> float:
        """How long to wait for a newer image than the last one, which came at `received_s`.

        0 where the next one is too far off, overdue, or where nothing is known of it.
        """
        if len(self._intervals) < _INTERVALS:
            return 0.0
        period_s = median(list(self._intervals))
        due_in_s = received_s + period_s - now_s
        if not 0 < due_in_s <= _MAX_COST * self._answer_s:
            return 0.0
        return due_in_s + _LATE * period_s
