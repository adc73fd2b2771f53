"""Writes pictures whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.errors import InputError


def write_picture(path: Path, pixels: ByteArray) -> None:
    """Writes BGR pixels (height, width, 3) in the format that the name asks for.

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
            path.unlink(missing_ok=True)  # half a picture is none
        full = "the disk is full: free some space, or name another folder"
        reason = full if error.errno == errno.ENOSPC else error.strerror
        raise InputError(f"cannot write '{path}': {reason}") from error
