"""Joins a bag's depth images to its colour images by stamp, as the node does with topics."""

from __future__ import annotations

from collections import deque
from typing import Any

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.bags.salvage import BagMessage
from pose_estimation_ros.io.bags.writer import typestore
from pose_estimation_ros.io.messages.depth_images import OLD_DEPTH_S, DepthImages, depth_of
from pose_estimation_ros.io.messages.message_types import seconds
from pose_estimation_ros.settings import MAX_IMAGE_PIXELS

_MOST_WAITING = 30  # images, whatever their stamps say


class DepthJoin:
    """Holds images back until the depth image of their stamp has been read, for a short while.

    How long is told by the recording, so that two runs give the same.
    """

    def __init__(self, topic: str) -> None:
        """`topic` is that of the depth images; empty where there are none."""
        self.topic = topic
        self._depth = DepthImages()
        self._waiting: deque[tuple[BagMessage, float]] = deque()

    def take(self, message: BagMessage) -> list[BagMessage]:
        """A depth or colour image was read; the colour images that can be answered now.

        Raises:
            InputError: the depth message is damaged.
        """
        if not self.topic:
            return [message]
        if message.topic == self.topic:
            self._depth.put(_read(message), message.stamp_ns * 1e-9)
        else:
            self._waiting.append((message, _stamp_s(message)))
        ready = []
        while self._waiting and self._is_ready(*self._waiting[0], message.stamp_ns):
            ready.append(self._waiting.popleft()[0])
        return ready

    def rest(self) -> list[BagMessage]:
        """The images that still wait, at the end of the bag."""
        rest = [message for message, _ in self._waiting]
        self._waiting.clear()
        return rest

    def depth_for(self, image: Image, stamp_s: float, received_s: float) -> FloatArray | None:
        """The depth (height, width) in metres of an image; None where none was read.

        Args:
            image: the colour image.
            stamp_s: its stamp; 0 where it has none.
            received_s: when it was recorded.

        Raises:
            InputError: the nearest depth image does not belong to it; the text says why.
        """
        depth = self._depth.nearest(stamp_s)
        if depth is None:
            return None
        return depth_of(depth, image, stamp_s, received_s, MAX_IMAGE_PIXELS)

    def _is_ready(self, message: BagMessage, stamp_s: float, now_ns: int) -> bool:
        waited_s = (now_ns - message.stamp_ns) * 1e-9
        return (
            stamp_s == 0
            or self._depth.is_here(stamp_s)
            or waited_s > OLD_DEPTH_S
            or len(self._waiting) > _MOST_WAITING
        )


def _read(message: BagMessage) -> Any:
    try:
        return typestore().deserialize_cdr(message.data, message.kind)
    except Exception as error:  # corrupt data raises many kinds of errors
        raise InputError(f"not a {message.kind} ({error})") from error


def _stamp_s(message: BagMessage) -> float:
    try:
        return seconds(_read(message).header.stamp)
    except InputError:
        return 0.0  # it is answered, which names the damage
