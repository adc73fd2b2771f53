"""Outputs of `pose_estimation video`: drawn images, JSON lines and COCO results."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.io.atomic_file import check_writable, unwritable, write_whole
from pose_estimation_ros.io.image_files import ImagesSource, write_picture
from pose_estimation_ros.io.pose_records import FrameRecord
from pose_estimation_ros.io.sources import TimedSource
from pose_estimation_ros.io.timed_image import TimedImage
from pose_estimation_ros.io.video_writer import VideoWriter

STANDARD_OUTPUT = Path("-")
# Called with a drawn image.
WritePicture = Callable[[TimedImage], None]
WriteLine = Callable[[FrameRecord], None]


def picture_output(out: Path, source: TimedSource, stack: contextlib.ExitStack) -> WritePicture:
    """Opens a video, or one image per input image, for writing; closed by the stack.

    Raises:
        ConfigError: the file name does not fit the source.
    """
    if out.suffix.lower() == ".mp4":
        writer = stack.enter_context(VideoWriter(out, source.fps, source.width, source.height))
        return lambda image: writer.write_at(image.pixels, image.time_s)
    if not isinstance(source, ImagesSource):
        raise ConfigError(f"--out: '{out}' is no .mp4, which a video is written to")
    many = writes_pictures(out, source)

    def write(image: TimedImage) -> None:
        write_picture(out / picture_name(Path(image.name)) if many else out, image.pixels)

    return write


def writes_pictures(out: Path, source: ImagesSource) -> bool:
    """Whether --out is a folder for a picture of each image, rather than one file."""
    single = len(source.files) == 1 and bool(out.suffix)
    return out.suffix.lower() != ".mp4" and not single


def picture_name(file: Path) -> str:
    """The name of the drawn picture of an image file."""
    return f"{file.stem}.png"


def line_output(path: Path, keep: int, stack: contextlib.ExitStack) -> WriteLine:
    """Appends one JSON object per frame to a file, or to standard output ("-").

    The first `keep` bytes of the file stay. It is closed by the stack. Each line is flushed to
    disk, so that an interrupted run can be resumed.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        if path == STANDARD_OUTPUT:
            file: Any = sys.stdout
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            if keep:
                _cut_off(path, keep)
            file = stack.enter_context(_closed_quietly(path, "a" if keep else "w"))
    except OSError as error:
        raise unwritable(path, error) from error

    def write(record: FrameRecord) -> None:
        try:
            file.write(json.dumps(record) + "\n")
            file.flush()
        except OSError as error:
            raise unwritable(path, error) from error

    return write


def image_ids(names: Sequence[str]) -> dict[str, int]:
    """COCO image ids by file name: the numbers that the names end in, else their places.

    COCO's own files are named so (000000000139.jpg, COCO_val2014_000000000042.jpg). Where a name
    has no number, or two have the same one, all are numbered by their places.
    """
    numbers = [re.search(r"([0-9]+)$", Path(name).stem) for name in names]
    ids = [int(number[1]) for number in numbers if number]
    if len(set(ids)) < len(names):
        ids = list(range(len(names)))
    return dict(zip(names, ids, strict=True))


@contextlib.contextmanager
def coco_output(path: Path | None, rows: list[dict[str, Any]]) -> Iterator[None]:
    """Writes the rows as COCO results when the block ends, also after an error or Ctrl-C.

    They are written whole or not at all, and replace an older file only then.

    Raises:
        InputError: the file cannot be written; checked at the start.
    """
    if path is None:
        yield
        return
    check_writable(path)
    try:
        yield
    except BaseException:
        with contextlib.suppress(InputError):
            write_whole(path, json.dumps(rows))
        raise
    write_whole(path, json.dumps(rows))


def _cut_off(path: Path, keep: int) -> None:
    """Cuts a file off after so many bytes, and ends its last line."""
    with path.open("rb+") as file:
        file.truncate(keep)
        file.seek(keep - 1)
        if file.read(1) != b"\n":
            file.write(b"\n")


@contextlib.contextmanager
def _closed_quietly(path: Path, mode: str) -> Iterator[Any]:
    """Opens a file for writing; a full disk is reported on write, not again on close."""
    file = path.open(mode, encoding="utf-8")
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()
