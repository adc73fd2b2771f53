"""Where frames come from, by name: a video file, images, a camera or a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeAlias

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.io.image_files import (
    IMAGE_SUFFIXES,
    REFUSED_SUFFIXES,
    ImagesSource,
    find_pictures,
)
from pose_estimation_ros.io.live_camera import CameraSource, is_live
from pose_estimation_ros.io.video_reader import VideoSource


class FrameSource(Protocol):
    """A sequence of BGR images; repeatable if it comes from files.

    Attributes:
        fps: images a second, on average; for their times ask `TimedImage`.
        length: how many are announced; None if unknown.
    """

    name: str
    fps: float
    length: int | None
    width: int
    height: int

    def frames(self) -> Iterator[ByteArray]:
        """Yields the images (height, width, 3) from the start."""
        ...


# What gives images with their times.
TimedSource: TypeAlias = VideoSource | ImagesSource | CameraSource


def open_frames(name: str) -> TimedSource:
    """Opens a video file, an image, a folder of images, a camera by its number, or a URL.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    if is_live(name):
        return CameraSource(name)
    path = Path(name)
    if path.is_dir():
        return ImagesSource(name, find_pictures(path))
    suffix = path.suffix.lower()
    if suffix in (*IMAGE_SUFFIXES, *REFUSED_SUFFIXES) and suffix != ".gif" and path.is_file():
        return ImagesSource(name, [path])
    return VideoSource(name)
