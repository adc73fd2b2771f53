"""Reads video files: with PyAV, or with OpenCV where that is not installed.

PyAV gives the presentation time of each frame, the orientation that players show, and an error
where a file is cut off. OpenCV gives the times; it turns a video, but does not mirror it, and the
end of a damaged file looks like any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.timed_image import TimedImage

_RATES = (0.1, 240.0)  # frames a second; others are a container's unit of time
_ASSUMED_RATE = 30.0
_SQUARE = 0.01  # pixels whose sides differ by no more count as square


def silence_opencv() -> None:
    """Stops OpenCV and FFmpeg from printing, which would bury our error messages."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class VideoSource:
    """A video file.

    Attributes:
        fps: frames a second on average, as far as the file says.
        length: how many frames the file announces; None where it does not.
        width, height: px, as shown.
    """

    def __init__(self, path: str) -> None:
        """Reads the first frame.

        Raises:
            InputError: it is missing, no file, or no video that can be read.
        """
        self.name = path
        _check_file(path)
        try:
            import av  # noqa: F401

            self._read, announced = _frames_of_av, _announced_by_av
        except ImportError:
            self._read, announced = _frames_of_opencv, _announced_by_opencv
        first = next(self.timed_frames(), None)
        if first is None:
            raise _unreadable(path)
        self.height, self.width = first.pixels.shape[:2]
        fps, self.length = announced(path)
        self.fps = fps if _RATES[0] <= fps <= _RATES[1] else _ASSUMED_RATE

    def frames(self) -> Iterator[ByteArray]:
        """Yields the pixels of `timed_frames`."""
        for image in self.timed_frames():
            yield image.pixels

    def timed_frames(self) -> Iterator[TimedImage]:
        """Yields the images from the start.

        Raises:
            InputError: after the last frame, if the file is cut off or damaged.
        """
        return self._read(self.name)


def _check_file(path: str) -> None:
    """Raises InputError where there is no file that can be opened twice."""
    try:
        path.encode()  # FFmpeg takes UTF-8 alone
    except UnicodeEncodeError as error:
        raise InputError(
            f"the name {os.fsencode(path)!r} is not UTF-8: rename the file"
        ) from error
    if Path(path).is_dir():
        raise InputError(f"'{path}' is a folder: expected a video file")
    if not Path(path).exists():
        raise InputError(f"video '{path}' does not exist: check the path")
    if not Path(path).is_file():
        raise InputError(f"'{path}' is a pipe or device: expected a file, so save the video first")


def _unreadable(path: str, reason: str = "") -> InputError:
    return InputError(
        f"video '{path}' cannot be read{f' ({reason})' if reason else ''}: expected a video file "
        "such as .mp4, .avi or .gif; try to play it, or convert it with ffmpeg"
    )


def _open_with_av(path: str) -> tuple[Any, Any]:
    """The container and its first stream of moving pictures.

    Raises:
        InputError: it is no video.
    """
    import av

    try:
        # A playlist must not lead to other machines.
        options = {"protocol_whitelist": "file"}
        container = av.open(path, options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _unreadable(path, _text_of(error)) from error
    for stream in container.streams.video:
        # The cover of a piece of music is a stream, too.
        if not stream.disposition & av.stream.Disposition.attached_pic:
            stream.thread_type = "AUTO"
            return container, stream
    container.close()
    raise InputError(f"'{path}' holds no video: expected a video file")


def _announced_by_av(path: str) -> tuple[float, int | None]:
    container, stream = _open_with_av(path)
    with container:
        return float(stream.average_rate or stream.guessed_rate or 0), stream.frames or None


def _frames_of_av(path: str) -> Iterator[TimedImage]:
    import av

    container, stream = _open_with_av(path)
    ratio = float(stream.sample_aspect_ratio or 1)
    damage, done, start_s, time_s = "", 0, 0.0, 0.0
    step_s = 1 / float(stream.average_rate or _ASSUMED_RATE)
    with container:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                frames = packet.decode()
            except (av.FFmpegError, ValueError) as error:
                # A stream that was joined midway starts with what cannot be decoded.
                damage = damage or (_text_of(error) if done else "")
                if not isinstance(error, av.error.InvalidDataError):
                    break
                continue
            if packet.is_corrupt and done:
                damage = damage or "a packet is incomplete"
            for frame in frames:
                if not done:
                    start_s = frame.time or 0.0
                following_s = time_s + step_s if done else 0.0
                time_s = following_s if frame.time is None else max(0.0, frame.time - start_s)
                done += 1
                yield TimedImage(_as_shown(frame, ratio), time_s)
    if damage:
        raise InputError(
            f"video '{path}' is cut off or damaged ({damage}): {done} frames can be read, the "
            f"last at {time_s:.2f} s; convert it with ffmpeg to use what is there"
        )


def _text_of(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _as_shown(frame: Any, ratio: float) -> ByteArray:
    """BGR pixels as a player shows them: turned, mirrored, and with square pixels.

    `ratio` is the width of a pixel over its height.
    """
    pixels: Any = frame.to_ndarray(format="bgr24")
    if abs(ratio - 1) > _SQUARE:
        height, width = pixels.shape[:2]
        pixels = cv2.resize(pixels, (max(1, round(width * ratio)), height))
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            pixels = _turned(pixels, np.frombuffer(bytes(data), "<i4").reshape(3, 3))
    return np.ascontiguousarray(pixels, np.uint8)


def _turned(pixels: Any, matrix: Any) -> Any:
    """The image under a display matrix (ISO 14496-12, tkhd), taken for the nearest right angle.

    Its first two rows say where one step to the right, and one step down, lead.
    """
    (right_x, right_y), (down_x, down_y) = matrix[:2, :2].tolist()
    if abs(right_x) + abs(down_y) >= abs(right_y) + abs(down_x):
        mirror_x, mirror_y = right_x < 0, down_y < 0
    else:
        pixels = pixels.transpose(1, 0, 2)
        mirror_x, mirror_y = down_x < 0, right_y < 0
    return pixels[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]


def _announced_by_opencv(path: str) -> tuple[float, int | None]:
    capture = cv2.VideoCapture(path)
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    capture.release()
    return fps, count if count > 0 else None


def _frames_of_opencv(path: str) -> Iterator[TimedImage]:
    silence_opencv()
    capture = cv2.VideoCapture(path)
    step_s = 1 / (capture.get(cv2.CAP_PROP_FPS) or _ASSUMED_RATE)
    start_s, time_s, done = 0.0, 0.0, 0
    try:
        while True:
            readable, pixels = capture.read()
            if not readable:
                return
            stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
            if done == 0:
                start_s = stamp_s
            elif stamp_s - start_s > time_s:
                time_s = stamp_s - start_s
            else:  # a container without times
                time_s += step_s
            done += 1
            yield TimedImage(np.asarray(pixels, np.uint8), time_s)
    finally:
        capture.release()
