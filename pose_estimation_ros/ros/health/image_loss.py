"""How many of a camera's images arrive, told by the small messages that announce them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_WINDOW_S = 10.0
_FEWEST = 20
_FEW, _ENOUGH = 0.6, 0.8  # a busy machine loses some, too; two limits, so that it does not flicker


class Arrivals:
    """Compares images with the CameraInfos that a driver sends beside them.

    A CameraInfo has a few hundred bytes and is hardly ever lost, an image has megabytes. Not
    thread-safe by itself: a camera's callbacks come one after another.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._images: deque[float] = deque()
        self._announced: deque[float] = deque()
        self._few = False

    def image(self) -> None:
        """One came."""
        self._add(self._images)

    def announced(self) -> None:
        """A CameraInfo came."""
        self._add(self._announced)

    @property
    def share(self) -> float:
        """The share of the announced images that came in the last ten seconds; NaN: unknown."""
        oldest = self._clock() - _WINDOW_S
        images = sum(moment >= oldest for moment in list(self._images))
        announced = sum(moment >= oldest for moment in list(self._announced))
        return min(images / announced, 1.0) if announced >= _FEWEST else float("nan")

    def few(self) -> bool:
        """Whether so many get lost that somebody should look."""
        share = self.share
        self._few = share < (_ENOUGH if self._few else _FEW)
        return self._few

    def _add(self, moments: deque[float]) -> None:
        now = self._clock()
        moments.append(now)
        while moments[0] < now - _WINDOW_S:
            moments.popleft()
