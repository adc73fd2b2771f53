"""Reads video files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.errors import InputError

_WHOLE = 0.9  # a video counts as complete from this share of the announced frames


def silence_opencv() -> None:
    """Stops OpenCV and FFmpeg from printing, which would bury our error messages."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class VideoSource:
    """A video file, read by OpenCV."""

    def __init__(self, path: str) -> None:
        """Opens the file once for size and rate.

        Raises:
            InputError: it is missing or is not a video that OpenCV can read.
        """
        self.name = path
        if Path(path).is_dir():
            raise InputError(f"'{path}' is a folder: expected a video file")
        if not Path(path).exists():
            raise InputError(f"video '{path}' does not exist: check the path")
        silence_opencv()
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
        """Yields the images from the start.

        Raises:
            InputError: after the last frame, if many of the announced frames are missing.
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
        # The count is only an estimate for containers without an index.
        if self.length is not None and done < _WHOLE * self.length:
            raise InputError(
                f"video '{self.name}' is cut off or damaged: {done} of its {self.length} frames "
                "can be read; convert it with ffmpeg to use what is there"
            )
