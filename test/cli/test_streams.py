"""Cameras and streams: the newest image is answered, and what is recorded plays at its pace."""

from __future__ import annotations

import itertools
import socket
import sys
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.live_camera import CameraSource
from pose_estimation_ros.io.prefetch import newest
from pose_estimation_ros.io.video_reader import VideoSource
from pose_estimation_ros.io.video_writer import VideoWriter

FPS, SECONDS, SIDE = 30, 14, 64
PACKET = 7 * 188  # as much of an MPEG transport stream as goes into one datagram


def _numbered(number: int) -> np.ndarray:
    """An image that carries its number in three patches of eight levels each."""
    pixels = np.zeros((SIDE, 3 * SIDE, 3), np.uint8)
    for place in range(3):
        pixels[:, place * SIDE : (place + 1) * SIDE] = 16 + 32 * (number >> (3 * place) & 7)
    return pixels


def _number(pixels: np.ndarray) -> int:
    middles = [pixels[16:48, p * SIDE + 16 : p * SIDE + 48].mean() for p in range(3)]
    return sum(round(float(middle - 16) / 32) << (3 * p) for p, middle in enumerate(middles))


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[str]:
    """The address of a real stream over UDP, sent at its own pace whoever listens."""
    path = tmp_path / "stream.ts"
    size = (3 * SIDE, SIDE)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), FPS, size)
    assert writer.isOpened()
    for number in range(FPS * SECONDS):
        writer.write(_numbered(number))
    writer.release()
    data = path.read_bytes()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop = threading.Event()

    def send() -> None:
        packets = [data[i : i + PACKET] for i in range(0, len(data), PACKET)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not stop.is_set():
                begin = time.monotonic()
                for index, packet in enumerate(packets):
                    due = begin + SECONDS * index / len(packets)
                    if stop.wait(max(0.0, due - time.monotonic())):
                        return
                    out.sendto(packet, ("127.0.0.1", port))

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    yield f"udp://127.0.0.1:{port}"
    stop.set()
    sender.join(5)


def test_whoever_is_slower_than_a_stream_sees_its_newest_image(stream: str) -> None:
    source = CameraSource(stream)
    assert (source.width, source.height, source.is_file) == (3 * SIDE, SIDE, False)
    frames = source.timed_frames()
    seen: list[tuple[float, int]] = []
    for image in frames:
        seen.append((time.monotonic(), _number(image.pixels)))
        time.sleep(0.25)  # a model for 4 images a second
        if len(seen) >= 16:
            break
    frames.close()
    # The stream starts anew at times, and what it sent while it was being opened comes at once.
    ahead = [(b[1] - a[1], b[0] - a[0]) for a, b in itertools.pairwise(seen[4:])]
    steps = [images / seconds for images, seconds in ahead if images > 0]
    assert len(steps) >= 8, seen
    assert np.median(steps) == pytest.approx(FPS, rel=0.35), seen
    assert source.skipped > 5 * len(seen)


def test_nothing_is_skipped_where_nobody_is_slow_and_the_last_one_comes() -> None:
    asked = threading.Semaphore(1)
    skipped = []

    def items() -> Generator[int, None, None]:
        for number in range(50):
            asked.acquire()
            yield number

    taken = []
    for number in newest(items(), lambda: skipped.append(1)):
        taken.append(number)
        asked.release()
    assert taken == list(range(50)) and not skipped


def test_what_goes_wrong_comes_after_the_last_item() -> None:
    def items() -> Generator[int, None, None]:
        yield from range(5)
        raise InputError("unplugged")

    taken, skipped = [], []
    with pytest.raises(InputError, match="unplugged"):
        for number in newest(items(), lambda: skipped.append(1)):
            taken.append(number)
            time.sleep(0.05)
    assert taken[-1] == 4 and len(taken) + len(skipped) == 5


def test_leaving_early_closes_what_is_read_from() -> None:
    closed = threading.Event()

    def items() -> Generator[int, None, None]:
        try:
            while True:
                time.sleep(0.01)
                yield 0
        finally:
            closed.set()

    frames = newest(items(), lambda: None)
    assert next(frames) == 0
    frames.close()
    assert closed.is_set()


@pytest.mark.parametrize("with_av", [True, False])
def test_a_recording_of_a_camera_plays_at_its_pace(
    with_av: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.mp4"
    if not with_av:
        monkeypatch.setitem(sys.modules, "av", None)
    # Three images that took 0.5 s each, and one too many at the same time.
    with VideoWriter(path, 10.0, 3 * SIDE, SIDE) as writer:
        for number, time_s in ((1, 0.0), (2, 0.5), (3, 0.5), (4, 1.0)):
            writer.write_at(_numbered(number), time_s)
    images = list(VideoSource(str(path)).timed_frames())
    shown = {time_s: _number(i.pixels) for time_s in (0.2, 0.7, 1.0) for i in images
             if i.time_s <= time_s + 0.01}  # fmt: skip
    assert list(shown.values()) == [1, 3 if with_av else 2, 4]
    assert len(images) == (4 if with_av else 11), "OpenCV repeats images"
