"""The depth image of a colour image: by stamp, and waited for where it comes a little later."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.messages.image import to_depth
from pose_estimation_ros.io.messages.message_types import ImageMessage, seconds

_KEPT = 6  # depth images, and stamps of colour images
OLD_DEPTH_S = 0.2  # beyond it a depth image is of another moment
_SAME_PROPORTIONS = 0.03  # a row or column more or less, at a small size
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
            while not self.is_here(stamp_s):
                left_s = end_s - time.perf_counter()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            self._misses = 0 if self.is_here(stamp_s) else self._misses + 1

    def nearest(self, stamp_s: float) -> DepthImage | None:
        """The one whose stamp is nearest; the newest where the image has no stamp."""
        with self._changed:
            if not self._kept:
                return None
            newest = self._kept[-1]
            if stamp_s == 0 or newest.stamp_s == 0:
                return newest
            return min(self._kept, key=lambda depth: abs(depth.stamp_s - stamp_s))

    def is_here(self, stamp_s: float) -> bool:
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


def depth_of(
    depth: DepthImage, image: Image, stamp_s: float, received_s: float, max_pixels: int
) -> FloatArray:
    """The depth (height, width) in metres of a colour image.

    Args:
        depth: the depth image that is nearest in time.
        image: the colour image.
        stamp_s: its stamp; 0 where it has none, and then the times of receipt are compared.
        received_s: when it came, by the clock of the depth image's.
        max_pixels: the limit of the depth image.

    Raises:
        InputError: the depth image is of another moment or view, damaged, or of another kind.
    """
    _check_moment(depth, stamp_s, received_s)
    _check_proportions(depth.message, image)
    return to_depth(depth.message, max_pixels)


def _check_moment(depth: DepthImage, stamp_s: float, received_s: float) -> None:
    """Raises InputError where a depth image is of another moment than the colour image.

    It would put the person where they were.
    """
    if (depth.stamp_s == 0) != (stamp_s == 0):
        without, other = ("it", "the image") if depth.stamp_s == 0 else ("the image", "it")
        raise InputError(
            f"{without} has no time in header.stamp and {other} has: expected the time of "
            "capture in both"
        )
    older_s = stamp_s - depth.stamp_s if stamp_s else received_s - depth.received_s
    if abs(older_s) > OLD_DEPTH_S:
        than = "older than its image" if older_s > 0 else "newer than its image"
        raise InputError(
            f"the nearest one is {abs(older_s):.2f} s {than}: expected {OLD_DEPTH_S:g} s at most "
            "(check that both are stamped at their capture, by one clock)"
        )


def _check_proportions(depth: ImageMessage, image: Image) -> None:
    """Raises InputError where a depth image cannot cover the colour image pixel by pixel."""
    if depth.width * depth.height == 0:
        return  # said when it is converted
    stretch = depth.width * image.height / (depth.height * image.width)
    if abs(stretch - 1) > _SAME_PROPORTIONS:
        raise InputError(
            f"it has {depth.width}x{depth.height} px and the image {image.width}x{image.height}: "
            "expected depth that is registered to the image, of the same proportions "
            "(depth_image_proc registers it)"
        )
