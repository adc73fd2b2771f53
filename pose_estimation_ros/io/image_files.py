"""Reads image files as a sequence, and writes images."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm")


def by_number(path: Path) -> list[tuple[bool, Any]]:
    """Sort key that puts image2 before image10."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in parts]


class ImagesSource:
    """A sequence of image files, ordered by the numbers in their names."""

    def __init__(self, name: str, files: list[Path], fps: float = 10.0) -> None:
        """Reads the first image for the size.

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


def write_picture(path: Path, pixels: ByteArray) -> None:
    """Writes BGR pixels (height, width, 3) in the format given by the suffix.

    Raises:
        InputError: no such format, or the file cannot be written.
    """
    try:
        _, data = cv2.imencode(path.suffix or ".", pixels)
    except cv2.error as error:
        raise InputError(f"cannot write '{path}': expected a name like x.png or x.jpg") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        if error.errno == errno.ENOSPC:
            path.unlink(missing_ok=True)  # do not leave a truncated file
        full = "the disk is full: free some space, or name another folder"
        reason = full if error.errno == errno.ENOSPC else error.strerror
        raise InputError(f"cannot write '{path}': {reason}") from error
