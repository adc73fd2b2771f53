"""Reads webcams and network streams."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.prefetch import newest
from pose_estimation_ros.io.timed_image import TimedImage
from pose_estimation_ros.io.video_reader import silence_opencv

_STREAM = re.compile(r"^(rtsps?|https?|udp|tcp|rtmp)://", re.IGNORECASE)
_TIMEOUT_MS = 10_000


def is_live(name: str) -> bool:
    """Whether the name is that of a camera or a network stream; what lies on disk is neither."""
    number = name.isascii() and name.isdecimal() and not Path(name).exists()
    return number or bool(_STREAM.match(name))


class CameraSource:
    """A webcam, by number, or a network stream; ends when the camera does."""

    length: int | None = None

    def __init__(self, name: str) -> None:
        """Opens the camera or stream.

        Raises:
            InputError: it does not exist, or sends no images.
        """
        self.name = name
        self.skipped = 0  # images replaced by newer ones before they were read
        self._what = f"camera {name}" if name.isdigit() else f"stream '{name}'"
        silence_opencv()
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
        self._first_s = time.monotonic()
        self.height, self.width = first.shape[:2]
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 <= fps <= 240 else 30.0
        # A URL may point to a file, which has a length and an end.
        self.is_file = self._capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0

    def timed_frames(self) -> Generator[TimedImage, None, None]:
        """Yields the newest image with the time of its receipt; late ones are skipped.

        A file behind a web address is read as any other, without skipping, at the file's times.

        Raises:
            InputError: when a live source ends.
        """
        return self._read() if self.is_file else newest(self._read(), self._skip)

    def _skip(self) -> None:
        self.skipped += 1

    def _read(self) -> Generator[TimedImage, None, None]:
        try:
            if self._first is not None:
                yield TimedImage(self._first, 0.0)
                self._first = None
            while True:
                readable, pixels = self._capture.read()
                if not readable:
                    break
                if self.is_file:
                    time_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
                else:
                    time_s = time.monotonic() - self._first_s
                yield TimedImage(np.asarray(pixels, np.uint8), time_s)
        finally:
            self._capture.release()
        if not self.is_file:
            raise InputError(f"{self._what} gives no more images: it was unplugged or ended")
