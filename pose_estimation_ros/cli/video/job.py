"""Processes a frame source and writes all requested outputs."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from pose_estimation_ros.cli._interrupt import Interruption
from pose_estimation_ros.cli._limits import LimitNotes
from pose_estimation_ros.cli._model_usage import ModelUsage
from pose_estimation_ros.cli._options import given_settings, read_settings
from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.cli.video.outputs import (
    coco_output,
    image_ids,
    line_output,
    picture_output,
)
from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.drawing import draw_label
from pose_estimation_ros.engine.execution.latency import summarise
from pose_estimation_ros.engine.pipelines import Pipeline
from pose_estimation_ros.engine.types import Frame, Image, PoseResult
from pose_estimation_ros.io.image_files import ImagesSource
from pose_estimation_ros.io.live_camera import CameraSource
from pose_estimation_ros.io.pose_records import (
    EarlierRun,
    Identities,
    MadeBy,
    as_json,
    check_same_run,
    coco_rows,
    from_json,
)
from pose_estimation_ros.io.prefetch import prefetched
from pose_estimation_ros.io.sources import TimedSource
from pose_estimation_ros.io.timed_image import TimedImage

_NO_DIFFERENCE = ("threads", "num_workers", "enable_threading", "call_timeout")
_WARM_UP = 30  # frames processed again on resume, to match track ids


class VideoJob:
    """Estimates, draws and writes frame by frame.

    Attributes:
        done: frames so far.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        source: Any,
        pipeline: Pipeline,
        earlier: EarlierRun,
        usage: ModelUsage,
    ) -> None:
        """Starts after the records of an earlier run, which are not estimated again.

        Raises:
            InputError: these were made of another source, with other settings, or by other models.
        """
        records, self._keep = earlier.records, earlier.end
        self._made_by = made_by(args, source)
        now: MadeBy = {**self._made_by, "models": usage.active()} if records else self._made_by
        if note := check_same_run(args.json, records, now):
            print(f"note: {note}", file=sys.stderr)
        self._args, self._source, self._pipeline = args, source, pipeline
        self._records, self._usage = records, usage
        self._identities = Identities(records) if records else None
        self._camera = isinstance(source, CameraSource)
        self._live = self._camera and not source.is_file
        self._apart = isinstance(source, ImagesSource) and not args.sequence
        files = source.files if isinstance(source, ImagesSource) else []
        self._image_ids = image_ids([file.name for file in files])
        self._latencies_ms: list[float] = []
        settings = read_settings(args)
        self._limits = LimitNotes(settings.engine, settings.pipeline)
        self._coco: list[dict[str, Any]] = []
        self._persons = 0
        self.done = 0

    def run(self) -> bool:
        """Processes the source; returns False after Ctrl-C, except for a camera.

        Raises:
            InputError: something cannot be read or written.
        """
        args = self._args
        progress = Progress("frames", self._total())
        with Interruption() as interruption, contextlib.ExitStack() as stack:
            show = picture_output(args.out, self._source, stack) if args.out else None
            write = line_output(args.json, self._keep, stack) if args.json else None
            frames = stack.enter_context(contextlib.closing(self._frames()))
            stack.enter_context(coco_output(args.coco, self._coco))
            stack.callback(interruption.finish)  # the first thing at the end
            for index, image in enumerate(frames):
                pixels = image.pixels
                result = self._answer(index, image)
                record = as_json(index, result, image.time_s, image.name)
                if write and index >= len(self._records):
                    if index == 0:
                        record["made_by"] = {**self._made_by, "models": self._usage.active()}
                    write(record)
                if args.coco:
                    self._coco += coco_rows(self._image_ids.get(image.name, index), record)
                if show:
                    self._draw(pixels, result, index)
                    show(image)
                self._persons += len(result.poses)
                self._limits.note(result, *pixels.shape[1::-1])
                self.done = index + 1
                progress.show(self.done)
                if interruption.asked or self.done == args.frames:
                    break
        progress.close()
        return self._camera or not interruption.asked

    def summary(self, measured: bool = True) -> str:
        """A one-line summary, with the latency where it was `measured`."""
        latency = summarise(self._latencies_ms)
        text = f"{self.done} frames, {self._persons / max(self.done, 1):.2f} persons a frame"
        if self._records:
            text += f", {len(self._records)} of them answered before"
        if self._live and self._source.skipped:
            text += f", {self._source.skipped} skipped to stay live"
        if measured and latency.count:
            text += f", latency p50 {latency.p50:.1f} ms, p95 {latency.p95:.1f} ms"
            text += f", max {latency.max:.1f} ms"
        return text

    def limits(self) -> list[str]:
        """A line for each limit that hid people."""
        return self._limits.lines()

    def _total(self) -> int | None:
        total: int | None = self._source.length
        return min(total or self._args.frames, self._args.frames) if self._args.frames else total

    def _frames(self) -> Generator[TimedImage, None, None]:
        frames: Generator[TimedImage, None, None] = self._source.timed_frames()
        # A camera yields its newest frame; prefetched ones would be stale.
        return frames if self._live else prefetched(frames)

    def _answer(self, index: int, image: TimedImage) -> PoseResult:
        frame = Frame(Image(image.pixels), None if self._apart else image.time_s)
        if index < len(self._records):
            return self._repeat(index, frame)
        start = time.perf_counter()
        result = self._pipeline.process(frame)
        self._latencies_ms.append((time.perf_counter() - start) * 1e3)
        self._usage.note(index)
        if self._identities:
            self._identities.rename(result)
        return result

    def _repeat(self, index: int, frame: Frame) -> PoseResult:
        """Repeats an earlier run's record; its last frames also map the track ids."""
        record = self._records[index]
        if index >= len(self._records) - _WARM_UP and self._identities and not self._apart:
            self._identities.learn(self._pipeline.process(frame), record)
        return from_json(record)

    def _draw(self, pixels: ByteArray, result: PoseResult, index: int) -> None:
        result.poses.draw(pixels)
        text = result.pipeline
        if index >= len(self._records):
            text += f"  {self._latencies_ms[-1]:.1f} ms"
        draw_label(pixels, text, (4, 24))


def made_by(args: argparse.Namespace, source: TimedSource) -> MadeBy:
    """What the records of this run are made of; the number of threads makes no difference."""
    files = source.files if isinstance(source, ImagesSource) else [Path(source.name)]
    settings = {
        name: value for name, value in given_settings(args).items() if name not in _NO_DIFFERENCE
    }
    if args.sequence:
        settings["sequence"] = True
    size = sum(file.stat().st_size for file in files if file.is_file())
    return {"source": Path(source.name).name, "bytes": size, "settings": settings}
