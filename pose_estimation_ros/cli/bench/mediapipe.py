"""Benchmarks V3 against MediaPipe Pose, alternating on the same frames."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pose_estimation_ros.cli.bench.engine import PREPARED, prepared_frames
from pose_estimation_ros.engine import Frame, Image
from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.execution.latency import summarise
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig, PipelineOptions, PoseCacheOptions

VERSION = "0.10.14"
_WARM_UP = 20
# Maps a frame number to (milliseconds, whether a person was found); None for a lost frame.
Ours = Callable[[int], tuple[float, bool] | None]
# The full model (complexity 1), tracking one person from frame to frame, as its users run it.
_CHILD = """
import sys, time
import numpy as np
import mediapipe
frames = np.load(sys.argv[1], mmap_mode="r")
pose = mediapipe.solutions.pose.Pose(model_complexity=1)
print("ready", flush=True)
for line in sys.stdin:
    frame = np.ascontiguousarray(frames[int(line)])
    begin = time.perf_counter()
    answer = pose.process(frame)
    print((time.perf_counter() - begin) * 1e3, answer.pose_landmarks is not None, flush=True)
"""


def environment() -> Path:
    """Returns the Python of a virtual environment for MediaPipe, created on the first call.

    Raises:
        PoseEstimationError: it cannot be installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "pose_estimation_ros" / f"mediapipe-{VERSION}"
    python = folder / "bin" / "python"
    if (folder / ".complete").is_file():
        return python
    print(f"installing MediaPipe {VERSION} in {folder} (once)", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", f"mediapipe=={VERSION}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise PoseEstimationError(
                f"MediaPipe cannot be installed in {folder}: {lines[-1]}: it needs the network "
                "and a Python that it has wheels for (3.9 to 3.12)"
            )
    (folder / ".complete").touch()
    return python


class MediaPipe:
    """MediaPipe Pose in its own process, which sleeps between frames."""

    def __init__(self, frames: list[ByteArray], folder: Path) -> None:
        """Passes the BGR `frames` to the process once, as a file in `folder`."""
        file = folder / "frames.npy"
        np.save(file, np.stack([frame[..., ::-1] for frame in frames]))
        self._child = subprocess.Popen(
            [str(environment()), "-c", _CHILD, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._read()  # ready

    def _read(self) -> str:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise PoseEstimationError(f"MediaPipe ended with code {self._child.wait()}")
        return line

    def process(self, index: int) -> tuple[float, bool]:
        """Processes one frame; returns milliseconds and whether a person was found."""
        assert self._child.stdin is not None
        print(index, file=self._child.stdin, flush=True)
        ms, found = self._read().split()
        return float(ms), found == "True"

    def __enter__(self) -> MediaPipe:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._child.kill()
        self._child.wait()


def alternate(
    ours: Ours,
    theirs: Callable[[int], tuple[float, bool]],
    frames: int,
    seconds: float,
) -> dict[str, Any]:
    """Alternates between both, frame by frame, so that other load affects them equally.

    Both end after `seconds`, and not before 20 frames beyond the warm-up.
    """
    times: dict[str, list[float]] = {"ours": [], "mediapipe": []}
    found = {"ours": 0, "mediapipe": 0}
    end = time.monotonic() + seconds
    for turn in count():
        if time.monotonic() >= end and turn >= 2 * _WARM_UP:
            break
        answers = {"ours": ours(turn % frames), "mediapipe": theirs(turn % frames)}
        if turn < _WARM_UP:
            continue
        for name, answer in answers.items():
            if answer is not None:
                times[name].append(answer[0])
                found[name] += answer[1]
    report: dict[str, Any] = {}
    for name, values in times.items():
        s = summarise(values)
        report[name] = {"frames": s.count, "p50": s.p50, "p95": s.p95, "p99": s.p99}
        report[name]["found"] = found[name] / max(s.count, 1)
    for name in ("p50", "p99"):
        report[f"ratio_{name}"] = report["ours"][name] / report["mediapipe"][name]
    return report


def against_mediapipe(
    sizes: Sequence[tuple[int, int]], runtime: str, seconds: float, node: bool
) -> Iterator[dict[str, Any]]:
    """Prints and yields one row per image size: V3 (node, or engine only) and MediaPipe."""
    heading = f"\n{f'against MediaPipe Pose {VERSION}':<33}{'found':>7}{'p50':>8}{'p95':>8}"
    print(f"{heading}{'p99':>8}{'jitter':>8}")
    what = "node" if node else "engine"
    for size in sizes:
        frames = prepared_frames(1, size)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            theirs = stack.enter_context(MediaPipe(frames, folder))
            ours = stack.enter_context(
                _node(frames, runtime) if node else _engine(frames, runtime)
            )
            row = alternate(ours, theirs.process, len(frames), seconds)
        for name, label in (("ours", f"v3 {what}"), ("mediapipe", "MediaPipe Pose full")):
            r = row[name]
            print(
                f"{f'{label} {size[0]}x{size[1]}':<33}{r['found']:>7.2f}{r['p50']:>8.1f}"
                f"{r['p95']:>8.1f}{r['p99']:>8.1f}{r['p99'] - r['p50']:>8.1f}"
            )
        print(f"{'ratio':<40}{row['ratio_p50']:>8.2f}{'':>8}{row['ratio_p99']:>8.2f}", flush=True)
        yield {**row, "size": size, "runtime": runtime, "what": what}


@contextmanager
def _engine(frames: list[ByteArray], runtime: str) -> Iterator[Ours]:
    models = build_models(EngineConfig(pipeline="v3", runtime=runtime), fall_back=False)
    models.load()
    options = PipelineOptions(pose_cache=PoseCacheOptions(cache_size=0))
    pipeline = build_pipeline("v3", models, options)
    shown = count()

    def answer(index: int) -> tuple[float, bool]:
        frame = Frame(Image(frames[index]), next(shown) / PREPARED)
        begin = time.perf_counter()
        result = pipeline.process(frame)
        return (time.perf_counter() - begin) * 1e3, len(result.poses) > 0

    try:
        yield answer
    finally:
        models.close()


@contextmanager
def _node(frames: list[ByteArray], runtime: str) -> Iterator[Ours]:
    from pose_estimation_ros.cli.bench.node import NodeBench

    height, width = frames[0].shape[:2]
    with NodeBench("v3", 1, (width, height), runtime) as bench:
        yield lambda index: bench.answer(frames[index])
