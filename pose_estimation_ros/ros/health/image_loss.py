"""Image loss: the share of a camera's images lost between driver and node."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_WINDOW_S = 10.0
_MIN_ANNOUNCED = 20
# A busy machine loses some, too. Two limits, so that the verdict does not flicker.
_TOO_FEW, _ENOUGH = 0.6, 0.8


class ImageLoss:
    """Compares images with the CameraInfos that a driver sends beside them.

    A CameraInfo has a few hundred bytes and is hardly ever lost, an image has megabytes. Not
    thread-safe by itself: a camera's callbacks come one after another.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._images: deque[float] = deque()
        self._announced: deque[float] = deque()
        self._many_lost = False

    def arrived(self) -> None:
        """Records an image."""
        self._add(self._images)

    def announced(self) -> None:
        """Records a CameraInfo."""
        self._add(self._announced)

    @property
    def arrived_share(self) -> float:
        """Share of announced images that arrived in the last 10 s; NaN if unknown."""
        oldest = self._clock() - _WINDOW_S
        images = sum(moment >= oldest for moment in list(self._images))
        announced = sum(moment >= oldest for moment in list(self._announced))
        return min(images / announced, 1.0) if announced >= _MIN_ANNOUNCED else float("nan")

    def many_lost(self) -> bool:
        """Whether the loss is worth a warning."""
        share = self.arrived_share
        self._many_lost = share < (_ENOUGH if self._many_lost else _TOO_FEW)
        return self._many_lost

    def _add(self, moments: deque[float]) -> None:
        now = self._clock()
        moments.append(now)
        while moments[0] < now - _WINDOW_S:
            moments.popleft()
