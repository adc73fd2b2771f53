"""Videos are read as players show them: when, which way up, and whole or said not to be."""

from __future__ import annotations

import os
import struct
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.video_reader import VideoSource
from pose_estimation_ros.io.video_writer import VideoWriter

av = pytest.importorskip("av", reason="PyAV makes these videos")
from videos import HEIGHT, WIDTH, picture, write_video  # noqa: E402

EVEN = [index / 10 for index in range(20)]
UNEVEN = [0, 0.1, 0.2, 1.2, 2.2, 2.3, 2.4, 2.5]


def _times(path: Path) -> list[float]:
    return [image.time_s for image in VideoSource(str(path)).timed_frames()]


@pytest.mark.parametrize("with_av", [True, False])
@pytest.mark.parametrize(
    ("name", "times", "more"),
    [
        ("even.mp4", EVEN, {}),
        ("uneven.mp4", UNEVEN, {}),
        ("uneven.mkv", UNEVEN, {}),
        ("uneven.gif", UNEVEN, {"codec": "gif"}),
        ("late.ts", EVEN, {"start_s": 5.0}),
        ("long_sound.mkv", EVEN, {"sound_s": 6.0}),
        ("long_sound.mp4", EVEN, {"sound_s": 6.0}),
        ("long_sound.ts", EVEN, {"sound_s": 6.0}),
    ],
)
def test_frames_come_at_the_times_of_the_file(
    name: str,
    times: list[float],
    more: dict,
    with_av: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_video(tmp_path / name, times, **more)
    if not with_av:
        monkeypatch.setitem(sys.modules, "av", None)
    assert _times(path) == pytest.approx(times, abs=0.011)


def test_the_rate_is_that_of_the_frames(tmp_path: Path) -> None:
    assert VideoSource(str(write_video(tmp_path / "even.mp4", EVEN))).fps == pytest.approx(10)


MATRICES = {
    "as it is": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (-1, 0, 0, -1),
    "flipped": (1, 0, 0, -1),
    "turned right": (0, 1, -1, 0),
    "turned left": (0, -1, 1, 0),
    "transposed": (0, 1, 1, 0),
    "transposed the other way": (0, -1, -1, 0),
}


@pytest.mark.parametrize("name", MATRICES)
def test_the_display_matrix_is_applied(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", EVEN[:2])
    right_x, right_y, down_x, down_y = MATRICES[name]
    data = bytearray(path.read_bytes())
    one = 1 << 16
    matrix = (right_x * one, right_y * one, 0, down_x * one, down_y * one, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, data.index(b"tkhd") + 4 + 40, *matrix)
    path.write_bytes(data)
    source = VideoSource(str(path))
    upright = right_x != 0
    assert (source.width, source.height) == ((WIDTH, HEIGHT) if upright else (HEIGHT, WIDTH))
    # The bright quarter is where a step to the right, and one down, do not lead.
    bright_right = (right_x + down_x) < 0
    bright_down = (right_y + down_y) < 0
    pixels = next(source.frames()).mean(axis=2)
    half_height, half_width = pixels.shape[0] // 2, pixels.shape[1] // 2
    for down in (False, True):
        for right in (False, True):
            quarter = pixels[down * half_height :, right * half_width :]
            mean = quarter[4 : half_height - 4, 4 : half_width - 4].mean()
            assert (mean > 120) == ((right, down) == (bright_right, bright_down)), (right, down)


def test_pixels_are_made_square(tmp_path: Path) -> None:
    source = VideoSource(str(write_video(tmp_path / "wide.mp4", EVEN[:3], ratio=Fraction(4, 3))))
    assert (source.width, source.height) == (WIDTH * 4 // 3, HEIGHT)


@pytest.mark.parametrize("kind", ["cut", "overwritten"])
def test_a_damaged_video_is_said_to_be(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with VideoWriter(path, 10.0, WIDTH, HEIGHT) as writer:  # the index comes first
        for index in range(40):
            writer.write(picture(index))
    data = bytearray(path.read_bytes())
    if kind == "cut":
        data = data[: len(data) * 3 // 4]
    else:
        data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    seen = []
    with pytest.raises(InputError, match="cut off or damaged"):
        seen.extend(image.time_s for image in VideoSource(str(path)).timed_frames())
    assert 10 < len(seen) <= 40, "what can be read is read"


@pytest.mark.parametrize("with_av", [True, False])
def test_what_is_no_video_is_named(
    with_av: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, empty, fifo = tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "fifo"
    text.write_text("no video")
    empty.touch()
    os.mkfifo(fifo)
    latin = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    Path(latin).write_text("no video")
    if not with_av:
        monkeypatch.setitem(sys.modules, "av", None)
    for path, words in (
        (str(text), "text.mp4' cannot be read"),
        (str(empty), "empty.mp4' cannot be read"),
        (str(fifo), "fifo' is a pipe or device: expected a file"),
        ("/dev/null", "'/dev/null' is a pipe or device"),
        (latin, r"caf\\xe9.mp4' is not UTF-8: rename"),
        (str(tmp_path), "is a folder"),
        (str(tmp_path / "gone.mp4"), "gone.mp4' does not exist"),
    ):
        with pytest.raises(InputError, match=words):
            VideoSource(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mp2", rate=32_000, layout="mono")
        samples = av.AudioFrame.from_ndarray(
            np.zeros((1, 1152), np.int16), format="s16", layout="mono"
        )
        samples.sample_rate, samples.pts = 32_000, 0
        file.mux(stream.encode(samples))
        file.mux(stream.encode())
    with pytest.raises(InputError, match=r"sound.mp4' holds no video"):
        VideoSource(str(path))
