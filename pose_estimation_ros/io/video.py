"""Where frames come from: video files, images, cameras and streams."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.prefetch import newest
from pose_estimation_ros.io.video_writer import VideoWriter

__all__ = [
    "CameraSource",
    "FrameSource",
    "ImagesSource",
    "VideoSource",
    "VideoWriter",
    "is_live",
    "open_frames",
]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
_STREAM = re.compile(r"^(rtsps?|https?|udp|tcp|rtmp)://", re.IGNORECASE)
_TIMEOUT_MS = 10_000
_WHOLE = 0.9  # share of the announced frames from which a video is taken for whole


class FrameSource(Protocol):
    """A sequence of BGR images; of files, the same every time it is read."""

    name: str
    fps: float
    length: int | None  # None where it is not known before the end
    width: int
    height: int

    def frames(self) -> Iterator[ByteArray]:
        """The images (height, width, 3) from the start."""
        ...


def open_frames(name: str) -> VideoSource | ImagesSource | CameraSource:
    """The source of that name: a file, a folder of images, a camera's number or a URL.

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
        return ImagesSource(name, sorted(files, key=_numbered))
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        return ImagesSource(name, [path])
    return VideoSource(name)


def is_live(name: str) -> bool:
    """Whether it names a camera or a stream, which never show the same twice."""
    return name.isdigit() or bool(_STREAM.match(name))


def _hush() -> None:
    """OpenCV's and FFmpeg's own lines would hide the one that says what to do."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


def _numbered(path: Path) -> list[tuple[bool, Any]]:
    """A key that sorts image2 before image10."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in parts]


class VideoSource:
    """A video file, read by OpenCV."""

    def __init__(self, path: str) -> None:
        """Opens the file once, to know its size.

        Raises:
            InputError: it is missing or is not a video that OpenCV can read.
        """
        self.name = path
        if Path(path).is_dir():
            raise InputError(f"'{path}' is a folder: expected a video file")
        if not Path(path).exists():
            raise InputError(f"video '{path}' does not exist: check the path")
        _hush()
        capture = cv2.VideoCapture(path)
        try:
            readable, first = capture.read() if capture.isOpened() else (False, None)
            if not readable or first is None:
                raise InputError(
                    f"video '{path}' cannot be read: expected a video file such as .mp4, .avi "
                    "or .gif; try to play it, or convert it with ffmpeg"
                )
            self.height, self.width = first.shape[:2]
            fps = capture.get(cv2.CAP_PROP_FPS)
            self.fps = fps if 0.1 <= fps <= 1000 else 30.0
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            self.length = count if count > 0 else None
        finally:
            capture.release()

    def frames(self) -> Iterator[ByteArray]:
        """The images from the start.

        Raises:
            InputError: after the last one, where many that the file announces are missing.
        """
        capture = cv2.VideoCapture(self.name)
        done = 0
        try:
            while True:
                readable, pixels = capture.read()
                if not readable:
                    break
                done += 1
                yield np.asarray(pixels, np.uint8)
        finally:
            capture.release()
        # Containers without an index announce an estimate.
        if self.length is not None and done < _WHOLE * self.length:
            raise InputError(
                f"video '{self.name}' is cut off or damaged: {done} of its {self.length} frames "
                "can be read; convert it with ffmpeg to use what is there"
            )


class ImagesSource:
    """Image files, in the order of the numbers in their names."""

    def __init__(self, name: str, files: list[Path], fps: float = 10.0) -> None:
        """Reads the first one, to know its size.

        Raises:
            InputError: it cannot be read.
        """
        self.name, self.files, self.fps = name, files, fps
        self.length: int | None = len(files)
        self.height, self.width = self._read(files[0]).shape[:2]

    @staticmethod
    def _read(path: Path) -> ByteArray:
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if pixels is None:
            raise InputError(f"image '{path}' cannot be read: it is damaged, remove it")
        return np.asarray(pixels, np.uint8)

    def frames(self) -> Iterator[ByteArray]:
        for path in self.files:
            yield self._read(path)


class CameraSource:
    """A webcam by its number, or a network stream; it ends when the camera does."""

    length: int | None = None

    def __init__(self, name: str) -> None:
        """Opens it.

        Raises:
            InputError: there is none, or nothing comes from it.
        """
        self.name = name
        self.skipped = 0  # images that made room for newer ones
        self._what = f"camera {name}" if name.isdigit() else f"stream '{name}'"
        _hush()
        if name.isdigit():
            self._capture = cv2.VideoCapture(int(name))
            hint = "is one plugged in (ls /dev/video*), and may this user read it (group video)?"
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS]
            limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
            self._capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, limits)
            hint = "check the address, the password, and that the camera is on this network"
        readable, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not readable or first is None:
            self._capture.release()
            raise InputError(f"{self._what} gives no images: {hint}")
        self._first: ByteArray | None = np.asarray(first, np.uint8)
        self.height, self.width = first.shape[:2]
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 <= fps <= 240 else 30.0
        # A web address may be that of a file, which knows its length and has an end.
        self.is_file = self._capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0

    def frames(self) -> Generator[ByteArray, None, None]:
        """The image that came last, whenever one is asked for; what came before it is skipped.

        A file behind a web address is read as any other, without skipping.

        Raises:
            InputError: after the last image of what should have no end.
        """
        return self._read() if self.is_file else newest(self._read(), self._skip)

    def _skip(self) -> None:
        self.skipped += 1

    def _read(self) -> Generator[ByteArray, None, None]:
        try:
            if self._first is not None:
                yield self._first
                self._first = None
            while True:
                readable, pixels = self._capture.read()
                if not readable:
                    break
                yield np.asarray(pixels, np.uint8)
        finally:
            self._capture.release()
        if not self.is_file:
            raise InputError(f"{self._what} gives no more images: it was unplugged or ended")
