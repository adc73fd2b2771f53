"""Image loss: how many of a camera's images get lost between the driver and this node."""

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
        """An image came."""
        self._add(self._images)

    def announced(self) -> None:
        """A CameraInfo came."""
        self._add(self._announced)

    @property
    def arrived_share(self) -> float:
        """The share of the announced images that came in the last 10 s; NaN where unknown."""
        oldest = self._clock() - _WINDOW_S
        images = sum(moment >= oldest for moment in list(self._images))
        announced = sum(moment >= oldest for moment in list(self._announced))
        return min(images / announced, 1.0) if announced >= _MIN_ANNOUNCED else float("nan")

    def many_lost(self) -> bool:
        """Whether enough images get lost to warn about it."""
        share = self.arrived_share
        self._many_lost = share < (_ENOUGH if self._many_lost else _TOO_FEW)
        return self._many_lost

    def _add(self, moments: deque[float]) -> None:
        now = self._clock()
        moments.append(now)
        while moments[0] < now - _WINDOW_S:
            moments.popleft()
