"""Views what this process answers itself, without ROS: the demo's scene, a clip, a webcam."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import time
from collections.abc import Generator, Iterator

from pose_estimation_ros.cli._interrupt import Interruption
from pose_estimation_ros.cli._model_usage import load_complaint
from pose_estimation_ros.cli._options import build_engine
from pose_estimation_ros.engine.camera_model import assumed_camera
from pose_estimation_ros.engine.execution.latency import Rate
from pose_estimation_ros.engine.execution.process_memory import resident_mb
from pose_estimation_ros.engine.pipelines import Pipeline
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.demo_scene import SceneSource
from pose_estimation_ros.io.live_camera import CameraSource
from pose_estimation_ros.io.prefetch import prefetched
from pose_estimation_ros.io.sources import open_frames
from pose_estimation_ros.io.timed_image import TimedImage
from pose_estimation_ros.view.destinations import Destinations, View
from pose_estimation_ros.view.frame import ViewFrame, as_jpeg
from pose_estimation_ros.view.recording import ViewRecording

_SCENE_FPS, _ENDLESS_S = 15.0, 1e7
_FIGURES_S, _POLL_S = 1.0, 0.1


class _Source:
    """The images of a name, or of the demo's scene, and how many were skipped to stay live."""

    def __init__(self, name: str) -> None:
        self._source = open_frames(name) if name else None
        self._skipped = 0

    @property
    def skipped(self) -> int:
        live = isinstance(self._source, CameraSource)
        return self._source.skipped if live else self._skipped  # type: ignore[union-attr]

    def frames(self) -> Generator[TimedImage, None, None]:
        source = self._source
        if source is None:
            return self._scene()
        if isinstance(source, CameraSource) and not source.is_file:
            return source.timed_frames()
        return prefetched(source.timed_frames())

    def _scene(self) -> Generator[TimedImage, None, None]:
        """The scene as a camera sees it: in its time, without those that nobody took in time."""
        scene = SceneSource(fps=_SCENE_FPS, seconds=_ENDLESS_S)
        started_s = time.monotonic()
        index = 0
        while True:
            time.sleep(max(0.0, started_s + index / scene.fps - time.monotonic()))
            yield TimedImage(scene.frame(index), index / scene.fps)
            due = int((time.monotonic() - started_s) * scene.fps)
            self._skipped += max(due - index - 1, 0)
            index = max(index + 1, due)


def show_source(args: argparse.Namespace, wanted: Destinations) -> None:
    """Answers the images and shows them, until they end, the viewer is closed, or Ctrl-C.

    Raises:
        InputError: the source cannot be read.
        ModelError: no model can be loaded.
    """
    source = _Source(args.source)
    models, pipeline = build_engine(args)
    with contextlib.ExitStack() as stack:
        stack.callback(models.close)
        if complaint := load_complaint(models):
            print(f"note: {complaint}", file=sys.stderr)
        view = stack.enter_context(View(wanted))
        view.announce()
        interruption = stack.enter_context(Interruption())
        shown = 0
        frames = stack.enter_context(contextlib.closing(source.frames()))
        try:
            for shown in _answered(frames, source, pipeline, view, args.rate or 0.0):
                if interruption.asked or view.ended or shown == args.frames:
                    break
        except InputError as error:
            if not (shown and view.stays):
                raise
            print(f"pose_estimation view: {error}", file=sys.stderr)
        print(f"{shown} frames shown", file=sys.stderr)
        if view.stays and not (interruption.asked or view.ended):
            view.stream.flush()
            print("the view stays open until Ctrl-C", file=sys.stderr)
            while not (interruption.asked or view.ended):
                time.sleep(_POLL_S)


def _answered(
    frames: Iterator[TimedImage], source: _Source, pipeline: Pipeline, view: View, rate: float
) -> Iterator[int]:
    """Answers every image, shows as many as the rate allows; yields how many were shown."""
    recording = ViewRecording(view.stream, since_epoch=False)
    answers, figures_s, due_s = Rate(), -_FIGURES_S, float("-inf")
    numbers = itertools.count(1)
    for image in frames:
        began_s = time.perf_counter()
        height, width = image.pixels.shape[:2]
        camera = assumed_camera(width, height)
        result = pipeline.process(Frame(Image(image.pixels), image.time_s, camera))
        total_ms = (time.perf_counter() - began_s) * 1e3
        answers.tick()
        if image.time_s < due_s:
            continue
        due_s = image.time_s + 1 / rate if rate else due_s
        times = result.times
        recording.log(
            "",
            ViewFrame(
                time_s=image.time_s,
                size=(width, height),
                poses=result.poses,
                jpeg=as_jpeg(image.pixels),
                times_ms={
                    "detect": times.detect_ms,
                    "pose": times.pose_ms,
                    "track": times.track_ms,
                    "total": total_ms,
                },
                age_ms=total_ms,
                dropped=source.skipped,
                camera=camera,
            ),
        )
        if time.monotonic() - figures_s >= _FIGURES_S:
            figures_s = time.monotonic()
            recording.log_rate("", answers.per_second)
            recording.log_memory(resident_mb())
        yield next(numbers)
