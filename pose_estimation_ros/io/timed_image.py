"""An image of a source, with its time and the name of its file."""

from __future__ import annotations

from typing import NamedTuple

from pose_estimation_ros.engine.arrays import ByteArray


class TimedImage(NamedTuple):
    """BGR pixels (height, width, 3) uint8.

    `time_s` counts from the source's first image; `name` is that of the file where each image has
    its own, else empty.
    """

    pixels: ByteArray
    time_s: float
    name: str = ""
