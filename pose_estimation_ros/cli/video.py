"""`pose_estimation video`: poses in videos, images, cameras and streams, without ROS."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from pose_estimation_ros.cli._interrupt import Interruption
from pose_estimation_ros.cli._options import add_engine_arguments, build_engine, check_count
from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.drawing import draw_label, draw_poses
from pose_estimation_ros.engine.execution.latency import summarise
from pose_estimation_ros.engine.pipelines import Pipeline
from pose_estimation_ros.engine.types import Frame, Image, PoseResult
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.io.images import write_picture
from pose_estimation_ros.io.pose_records import (
    Identities,
    as_json,
    coco_rows,
    from_json,
    read_records,
)
from pose_estimation_ros.io.prefetch import prefetched
from pose_estimation_ros.io.video import CameraSource, ImagesSource, VideoWriter, open_frames

_WARM_UP = 30  # frames of an earlier run that are seen again, to find its persons


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="IN",
        help="a video file, an image, a folder of images, a camera's number (0), or a URL "
        "(rtsp://...)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="OUT",
        help="with the poses drawn: OUT.mp4, or of images OUT.png or a folder",
    )
    parser.add_argument(
        "--json", type=Path, metavar="POSES.jsonl", help="one JSON object a frame with the poses"
    )
    parser.add_argument(
        "--coco", type=Path, metavar="RESULTS.json", help="the poses as COCO results"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on where the file of --json ends"
    )
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--sequence",
        action="store_true",
        help="the images of a folder are one scene: follow persons from one to the next",
    )
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.resume and not args.json:
        raise ConfigError("--resume: goes on with the file of --json, which is not given")
    check_count("frames", args.frames)
    source = open_frames(args.source)
    if args.resume and isinstance(source, CameraSource):
        raise ConfigError("--resume: a camera's past cannot be seen again")
    records = read_records(args.json) if args.resume else []
    models, pipeline = build_engine(args)
    with contextlib.ExitStack() as stack:
        stack.callback(models.close)
        job = _VideoJob(args, source, pipeline, records)
        complete = job.run(stack)
    print(job.summary())
    print(f"detector: {models.detector.status.active}; pose model: {models.pose.status.active}")
    if not complete:
        if args.json and not isinstance(source, ImagesSource):
            print(f"go on with --resume: {job.done} frames are in {args.json}")
        raise KeyboardInterrupt
    return 0


class _VideoJob:
    """From one source to every output asked for."""

    def __init__(
        self, args: argparse.Namespace, source: Any, pipeline: Pipeline, records: list[Any]
    ) -> None:
        self._args, self._source, self._pipeline = args, source, pipeline
        self._records = records
        self._identities = Identities(records) if records else None
        self._camera = isinstance(source, CameraSource)
        self._live = self._camera and not source.is_file
        self._apart = isinstance(source, ImagesSource) and not args.sequence
        self._latencies_ms: list[float] = []
        self._coco: list[dict[str, Any]] = []
        self._persons = 0
        self.done = 0

    def run(self, stack: contextlib.ExitStack) -> bool:
        """True if the source came to its end, False after Ctrl-C; of a camera that is the end.

        Raises:
            InputError: something cannot be read or written.
        """
        show = self._picture_output(stack)
        lines = self._line_output(stack)
        total = self._source.length
        if self._args.frames:
            total = min(total or self._args.frames, self._args.frames)
        progress = Progress("frames", total)
        frames: Generator[ByteArray, None, None] = self._source.frames()
        if not self._live:  # a camera gives its newest frame, whatever is read ahead grows old
            frames = prefetched(frames)
        stack.enter_context(contextlib.closing(frames))
        started_s = time.monotonic()
        with Interruption() as interruption, self._coco_output():
            for index, pixels in enumerate(frames):
                stamp_s = index / self._source.fps
                if self._live:
                    stamp_s = time.monotonic() - started_s
                result = self._answer(index, pixels, stamp_s)
                record = as_json(index, result)
                if index >= len(self._records):
                    lines(record)
                if self._args.coco:
                    self._coco += coco_rows(self._image_id(index), record)
                if show:
                    self._draw(pixels, result, index)
                    show(index, pixels, stamp_s)
                self._persons += len(result.poses)
                self.done = index + 1
                progress.show(self.done)
                if interruption.asked or self.done == self._args.frames:
                    break
        progress.close()
        return self._camera or not interruption.asked

    def _answer(self, index: int, pixels: ByteArray, stamp_s: float) -> PoseResult:
        known = len(self._records)
        frame = Frame(Image(pixels), stamp_s)
        if index < known:
            record = self._records[index]
            if index >= known - _WARM_UP and self._identities and not self._apart:
                self._identities.learn(self._pipeline.process(frame), record)
            return from_json(record)
        if self._apart:
            self._pipeline.reset()
        start = time.perf_counter()
        result = self._pipeline.process(frame)
        self._latencies_ms.append((time.perf_counter() - start) * 1e3)
        if self._identities:
            self._identities.rename(result)
        return result

    def _draw(self, pixels: ByteArray, result: PoseResult, index: int) -> None:
        draw_poses(pixels, result.poses)
        text = result.pipeline
        if index >= len(self._records):
            text += f"  {self._latencies_ms[-1]:.1f} ms"
        draw_label(pixels, text, (4, 24))

    def _image_id(self, index: int) -> int:
        """COCO's images are named by their number."""
        if isinstance(self._source, ImagesSource):
            stem = self._source.files[index].stem
            return int(stem) if stem.isdecimal() else index
        return index

    def _picture_output(
        self, stack: contextlib.ExitStack
    ) -> Callable[[int, ByteArray, float], None] | None:
        """What takes the images with the poses drawn, with their numbers and times."""
        out, source = self._args.out, self._source
        if out is None:
            return None
        if out.suffix.lower() == ".mp4":
            writer = VideoWriter(out, source.fps, source.width, source.height)
            stack.enter_context(writer)
            return lambda _, pixels, stamp_s: writer.write_at(pixels, stamp_s)
        if not isinstance(source, ImagesSource):
            raise ConfigError(f"--out: '{out}' is no .mp4, which a video is written to")
        single = len(source.files) == 1 and out.suffix

        def write(index: int, pixels: ByteArray, stamp_s: float) -> None:
            path = out if single else out / f"{source.files[index].stem}.png"
            write_picture(path, pixels)

        return write

    @contextlib.contextmanager
    def _coco_output(self) -> Iterator[None]:
        """Writes the COCO results at the end, also where an error was the end."""
        path = self._args.coco
        if path is None:
            yield
            return
        _save(path, [])  # the end is too late to learn that it cannot be written
        try:
            yield
        except InputError:
            with contextlib.suppress(InputError):
                _save(path, self._coco)
            raise
        _save(path, self._coco)

    def _line_output(self, stack: contextlib.ExitStack) -> Callable[[dict[str, Any]], None]:
        """What takes the records; each is on the disk before the next, for --resume."""
        path = self._args.json
        if path is None:
            return lambda _: None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = "".join(json.dumps(record) + "\n" for record in self._records)
            file = stack.enter_context(_quietly_closed(path))
            file.write(text)
        except OSError as error:
            raise _unwritable(path, error) from error

        def write(record: dict[str, Any]) -> None:
            try:
                file.write(json.dumps(record) + "\n")
                file.flush()
            except OSError as error:
                raise _unwritable(path, error) from error

        return write

    def summary(self) -> str:
        """What was done, in a line."""
        latency = summarise(self._latencies_ms)
        text = f"{self.done} frames, {self._persons / max(self.done, 1):.2f} persons a frame"
        if self._records:
            text += f", {len(self._records)} of them answered before"
        if self._live and self._source.skipped:
            text += f", {self._source.skipped} skipped to stay live"
        if latency.count:
            text += f", latency p50 {latency.p50:.1f} ms, p95 {latency.p95:.1f} ms"
            text += f", max {latency.max:.1f} ms"
        return text


@contextlib.contextmanager
def _quietly_closed(path: Path) -> Iterator[Any]:
    """The file for writing; a full disk is told of when writing, not again when closing."""
    file = path.open("w", encoding="utf-8")
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()


def _unwritable(path: Path, error: OSError) -> InputError:
    full = error.errno == errno.ENOSPC
    return InputError(f"cannot write '{path}': {'the disk is full' if full else error.strerror}")


def _save(path: Path, rows: list[dict[str, Any]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows), encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from error
