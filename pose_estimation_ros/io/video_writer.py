"""Writes .mp4 files: H.264 or VP9, which browsers play, where PyAV is installed."""

from __future__ import annotations

import errno
import logging
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.errors import InputError

_log = logging.getLogger(__name__)
# Space needed to finish a file: frames buffered by the encoder, and the index.
_RESERVE_BYTES = 8 * 2**20
# In order of preference; every browser plays both.
_TIME_UNIT = Fraction(1, 90_000)  # s, as is usual in containers
_CODECS = {
    "libx264": {"crf": "23", "preset": "veryfast"},
    "libvpx-vp9": {"crf": "33", "b": "0", "deadline": "realtime", "cpu-used": "6"},
}


class _Encoder(Protocol):
    def write(self, pixels: ByteArray, time_s: float) -> None: ...

    def close(self) -> None: ...


class _AvEncoder:
    """Encodes with PyAV."""

    def __init__(self, av: Any, codec: str, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._av = av
        # Index at the front, so that browsers can start before the download ends.
        self._file = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
        rate = Fraction(fps).limit_denominator(1001)
        self._stream = self._file.add_stream(codec, rate=rate, options=_CODECS[codec])
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _TIME_UNIT
        self._last = -1

    def write(self, pixels: ByteArray, time_s: float) -> None:
        frame = self._av.VideoFrame.from_ndarray(pixels, format="bgr24")
        frame.time_base = _TIME_UNIT
        # Times have to rise; two images of one moment are shown one after the other.
        frame.pts = self._last = max(self._last + 1, round(time_s / _TIME_UNIT))
        self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        try:
            self._file.mux(self._stream.encode())
        finally:
            self._file.close()


class _CvEncoder:
    """Encodes with OpenCV: MPEG-4 part 2, which players support but browsers do not.

    It knows one rate only, so that an image is repeated until the next one is due, and left out
    where that comes too soon.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
        if not self._writer.isOpened():
            raise OSError(errno.EIO, "OpenCV cannot open it")
        self._fps, self._written = fps, 0
        self._last: ByteArray | None = None

    def write(self, pixels: ByteArray, time_s: float) -> None:
        place = round(time_s * self._fps)
        if self._written > place:
            return
        while self._written < place:
            self._writer.write(pixels if self._last is None else self._last)
            self._written += 1
        self._writer.write(pixels)
        self._written += 1
        self._last = pixels

    def close(self) -> None:
        self._writer.release()


def _open(path: Path, fps: float, size: tuple[int, int]) -> _Encoder:
    try:
        import av
    except ImportError:
        _log.info("browsers will not play %s: pip install av for H.264", path.name)
        return _CvEncoder(path, fps, size)
    for codec in _CODECS:
        if codec in av.codecs_available:
            return _AvEncoder(av, codec, path, fps, size)
    return _CvEncoder(path, fps, size)


class VideoWriter:
    """Writes an .mp4 file; through a temporary file, so that no truncated one remains."""

    def __init__(self, path: Path, fps: float, width: int, height: int) -> None:
        """Opens the file; images of a different size are scaled.

        Raises:
            InputError: it cannot be written.
        """
        self.path = path
        self._fps = fps
        self._written = 0
        self._partial = path.with_name(f".{path.stem}.partial.mp4")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {path.parent}: {error.strerror}") from error
        # The codecs need even sizes; an odd last row or column is left out.
        self._size = (max(2, width // 2 * 2), max(2, height // 2 * 2))
        try:
            self._partial.touch()  # PyAV opens the codec with the first frame
            self._encoder = _open(self._partial, fps, self._size)
        except OSError as error:
            raise self._explained(error) from error

    def _explained(self, error: OSError) -> InputError:
        full = error.errno == errno.ENOSPC
        hint = "the disk is full" if full else "check the folder's mode and free space"
        return InputError(f"cannot write video '{self.path}': {hint}")

    def write(self, pixels: ByteArray) -> None:
        """Adds BGR pixels (height, width, 3), `fps` of them a second.

        Raises:
            InputError: the disk is full.
        """
        self.write_at(pixels, self._written / self._fps)

    def write_at(self, pixels: ByteArray, time_s: float) -> None:
        """Adds BGR pixels (height, width, 3), shown from that time on.

        Raises:
            InputError: the disk is full.
        """
        self._check_room()
        width, height = self._size
        if abs(pixels.shape[0] - height) > 1 or abs(pixels.shape[1] - width) > 1:
            pixels = cv2.resize(pixels, self._size)  # type: ignore[assignment]
        elif pixels.shape[:2] != (height, width):
            pixels = pixels[:height, :width].copy()
        try:
            self._encoder.write(pixels, time_s)
        except OSError as error:
            raise self._explained(error) from error
        self._written += 1

    def _check_room(self) -> None:
        """Stops while there is disk space to finish the file; unfinished, it does not play."""
        disk = os.statvfs(self._partial)
        if disk.f_bavail * disk.f_frsize < _RESERVE_BYTES:
            so_far = f"; {self._written} images so far are in it" if self._written else ""
            raise InputError(f"cannot write video '{self.path}': the disk is full{so_far}")

    def close(self) -> None:
        """Finishes the file and moves it to its final name.

        Raises:
            InputError: the disk is full.
        """
        try:
            self._encoder.close()
            self._partial.replace(self.path)
        except OSError as error:
            raise self._explained(error) from error

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After an error or Ctrl-C, the frames written so far are kept as a playable video.
        if kind is not None and not self._written:
            self._partial.unlink(missing_ok=True)
            return
        try:
            self.close()
        except InputError:
            if kind is None:
                raise
