"""The depth image of a colour image: by stamp, and waited for where it comes a little later."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple

from pose_estimation_ros.io.messages.message_types import ImageMessage, seconds

_KEPT = 6  # depth images, and stamps of colour images
_SAME_MOMENT_S = 0.01  # between the stamps of images that belong together
_LATE_FACTOR, _LATE_MORE_S = 1.5, 0.01  # what may be waited, by how late depth came before
_LONGEST_WAIT_S = 0.15
_MOST_WAIT = 0.5  # of the period of the depth images
_MISSES = 3  # in a row, before nothing is waited for


class DepthImage(NamedTuple):
    """A message, its stamp in s (0 where it has none), and when it came by the owner's clock."""

    message: ImageMessage
    stamp_s: float
    received_s: float


class DepthImages:
    """Keeps the last few depth images. Thread-safe.

    Drivers align depth after the colour image is out, so it comes some 20 ms later. How late it
    came to earlier images tells how long it is worth waiting for.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._kept: deque[DepthImage] = deque(maxlen=_KEPT)
        self._images: deque[tuple[float, float]] = deque(maxlen=_KEPT)  # stamp, when it came
        self._late_s: deque[float] = deque(maxlen=_KEPT)
        self._misses = 0

    def put(self, message: ImageMessage, received_s: float) -> None:
        """A depth image came; `received_s` by the owner's clock."""
        stamp_s, now_s = seconds(message.header.stamp), time.perf_counter()
        with self._changed:
            self._kept.append(DepthImage(message, stamp_s, received_s))
            for image_stamp_s, came_s in self._images:
                if stamp_s and abs(image_stamp_s - stamp_s) <= _SAME_MOMENT_S:
                    self._late_s.append(now_s - came_s)
                    self._misses = 0
                    break
            self._changed.notify_all()

    def await_for(self, stamp_s: float, came_s: float) -> None:
        """Waits until the depth image of that stamp is there, or is not worth waiting for.

        Args:
            stamp_s: the colour image's stamp; 0 where it has none, and then nothing is waited for.
            came_s: when it came, by time.perf_counter.
        """
        if stamp_s == 0:
            return
        with self._changed:
            self._images.append((stamp_s, came_s))
            end_s = came_s + self._worth_waiting_s()
            while not self._is_here(stamp_s):
                left_s = end_s - time.perf_counter()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            self._misses = 0 if self._is_here(stamp_s) else self._misses + 1

    def nearest(self, stamp_s: float) -> DepthImage | None:
        """The one whose stamp is nearest; the newest where the image has no stamp."""
        with self._changed:
            if not self._kept:
                return None
            newest = self._kept[-1]
            if stamp_s == 0 or newest.stamp_s == 0:
                return newest
            return min(self._kept, key=lambda depth: abs(depth.stamp_s - stamp_s))

    def _is_here(self, stamp_s: float) -> bool:
        """Whether the depth image is here, or one after it, so that it will not come."""
        return any(depth.stamp_s >= stamp_s - _SAME_MOMENT_S for depth in self._kept)

    def _worth_waiting_s(self) -> float:
        if self._misses >= _MISSES:
            return 0.0
        wait_s = _LONGEST_WAIT_S
        if self._late_s:
            wait_s = min(wait_s, _LATE_FACTOR * max(self._late_s) + _LATE_MORE_S)
        if len(self._kept) > 1:
            period_s = self._kept[-1].stamp_s - self._kept[-2].stamp_s
            if period_s > 0:
                wait_s = min(wait_s, _MOST_WAIT * period_s)
        return wait_s
