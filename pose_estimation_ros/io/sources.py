"""Where frames come from, by name: a video file, images, a camera or a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.image_files import IMAGE_SUFFIXES, ImagesSource, by_number
from pose_estimation_ros.io.live_camera import CameraSource, is_live
from pose_estimation_ros.io.video_reader import VideoSource


class FrameSource(Protocol):
    """A sequence of BGR images; repeatable if it comes from files."""

    name: str
    fps: float
    length: int | None  # None if unknown
    width: int
    height: int

    def frames(self) -> Iterator[ByteArray]:
        """Yields the images (height, width, 3) from the start."""
        ...


def open_frames(name: str) -> VideoSource | ImagesSource | CameraSource:
    """Opens a video file, an image, a folder of images, a camera by its number, or a URL.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    if is_live(name):
        return CameraSource(name)
    path = Path(name)
    if path.is_dir():
        files = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
        if not files:
            kinds = ", ".join(IMAGE_SUFFIXES)
            raise InputError(f"no image in the folder '{name}': expected files of {kinds}")
        return ImagesSource(name, sorted(files, key=by_number))
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        return ImagesSource(name, [path])
    return VideoSource(name)
