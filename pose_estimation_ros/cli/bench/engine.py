"""Measures the engine in its own process: `python -m ...cli.bench.engine JSON`.

A separate process keeps memory and cold-start figures clean. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import psutil

from pose_estimation_ros.engine import Frame, Image
from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.latency import summarise
from pose_estimation_ros.engine.execution.process_memory import resident_mb
from pose_estimation_ros.engine.execution.worker_pool import chunk_sizes
from pose_estimation_ros.engine.pipelines import Models, build_pipeline
from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.io.demo_scene import SceneSource, forth_and_back
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig, PipelineOptions, PoseCacheOptions

PREPARED = 30  # frames rendered in advance, so that rendering is not measured
_ROUNDS = 40
# Many persons are small, and some of them are found with low scores. What counts here is the
# load, so that everybody is to be found; `max_persons` leaves the others out.
FEW = 3
CROWD = {"confidence_threshold": 0.1, "min_pose_score": 0.02}


def measure(
    pipeline: str, persons: int, size: tuple[int, int], runtime: str, seconds: float
) -> dict[str, Any]:
    """Measures latency per stage in ms, frame rate, CPU seconds, memory in MB, cold start in s."""
    process = psutil.Process()
    models = build_models(EngineConfig(pipeline=pipeline, runtime=runtime), fall_back=False)
    models.load()
    # The frames repeat; without the pose cache every pose is still estimated.
    options = PipelineOptions(pose_cache=PoseCacheOptions(cache_size=0))
    options.detector.max_persons = max(persons, 1)
    if persons > FEW:
        options.detector.confidence_threshold = CROWD["confidence_threshold"]
        options.min_pose_score = CROWD["min_pose_score"]
    worker = build_pipeline(pipeline, models, options)
    loaded_s = time.time()
    frames = prepared_frames(persons, size)
    drawn_s = time.time() - loaded_s  # rendering the scene does not count as start-up
    worker.process(Frame(Image(frames[0]), 0.0))
    cold_start_s = time.time() - process.create_time() - drawn_s
    stages: dict[str, list[float]] = {name: [] for name in ("total", "detect", "pose", "track")}
    found = 0
    warm_up = 10
    cpu_s = started = 0.0
    for index in count(1):
        if index == warm_up:
            cpu_s, started = time.process_time(), time.perf_counter()
        begin = time.perf_counter()
        result = worker.process(Frame(Image(frames[index % len(frames)]), index / 30))
        end = time.perf_counter()
        if index < warm_up:
            continue
        stages["total"].append((end - begin) * 1e3)
        stages["detect"].append(result.times.detect_ms)
        stages["pose"].append(result.times.pose_ms)
        stages["track"].append(result.times.track_ms)
        found += len(result.poses)
        if end - started >= seconds:
            break
    n = len(stages["total"])
    cpu_s = time.process_time() - cpu_s
    networks_ms = _networks_ms(models, frames[0], pipeline, round(found / n))
    latency = {name: summarise(values) for name, values in stages.items()}
    models.close()
    return {
        "frames": n,
        "persons_found": found / n,
        "latency_ms": {
            name: {"p50": s.p50, "p95": s.p95, "p99": s.p99, "max": s.max, "mean": s.mean}
            for name, s in latency.items()
        },
        "fps": n / (end - started),
        "cpu_s_per_frame": cpu_s / n,
        "networks_ms": networks_ms,
        "rss_mb": resident_mb() - sum(frame.nbytes for frame in frames[:PREPARED]) / 1e6,
        "cold_start_s": cold_start_s,
    }


def _networks_ms(models: Models, frame: ByteArray, pipeline: str, persons: int) -> float:
    """Median time in ms of the networks alone, with the same input shapes and workers.

    For V3 only the pose network counts, since most of its frames need no detector.
    """
    pose = models.pose.load()
    if isinstance(pose, OneStagePose):
        whole = pose.prepare(Image(frame)).tensor
        return _median_ms(lambda: pose.runtime.run(whole))
    detector = models.detector.load()
    assert isinstance(detector, NetworkDetector)
    picture = detector.prepare(Image(frame))[0]
    sizes = chunk_sizes(persons, models.workers.workers, pose.batch)
    shape = pose.runtime.inputs[0].shape[1:]
    kind = pose.runtime.inputs[0].dtype
    crops = [np.zeros((size, *(side or 0 for side in shape)), kind) for size in sizes]

    def both() -> None:
        if pipeline == "v4":
            detector.runtime.run(picture)
        models.workers.map(pose.runtime.run, crops, CancelToken())

    return _median_ms(both)


def _median_ms(run: Callable[[], object]) -> float:
    laps = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        run()
        laps.append((time.perf_counter() - begin) * 1e3)
    return float(np.median(laps))


def prepared_frames(persons: int, size: tuple[int, int]) -> list[ByteArray]:
    """One second of the bundled scene, played forward and backward, as BGR images."""
    scene = SceneSource(*size, fps=PREPARED, seconds=1.0, persons=persons)
    return forth_and_back(list(scene.frames()))


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
