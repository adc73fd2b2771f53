"""One measurement of the engine, in a process of its own: `python -m ...cli.bench_engine JSON`.

A process of its own makes memory and cold start honest. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import count
from typing import Any

import psutil

PREPARED = 30  # frames drawn beforehand and shown in turn, so that drawing costs nothing


def measure(
    pipeline: str, persons: int, size: tuple[int, int], runtime: str, seconds: float
) -> dict[str, Any]:
    """Latency by stage in ms, frames and CPU seconds, memory in MB, cold start in s."""
    process = psutil.Process()
    from pose_estimation_ros.engine import Frame, Image, PipelineOptions
    from pose_estimation_ros.engine.metrics import resident_mb, summarise
    from pose_estimation_ros.models import EngineConfig, build_models, build_pipeline

    models = build_models(EngineConfig(pipeline=pipeline, runtime=runtime))
    models.load()
    options = PipelineOptions()
    options.detector.max_persons = max(persons, 1)
    worker = build_pipeline(pipeline, models, options)
    loaded_s = time.time()
    frames = prepared_frames(persons, size)
    drawn_s = time.time() - loaded_s  # drawing the scene is no part of the start
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
        result = worker.process(Frame(Image(frames[index % PREPARED]), index / 30))
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
        "cpu_s_per_frame": (time.process_time() - cpu_s) / n,
        "rss_mb": resident_mb() - sum(frame.nbytes for frame in frames) / 1e6,
        "cold_start_s": cold_start_s,
    }


def prepared_frames(persons: int, size: tuple[int, int]) -> list[Any]:
    """A second of the bundled scene as BGR images."""
    from pose_estimation_ros.cli.scene import SceneSource

    return list(SceneSource(*size, fps=PREPARED, seconds=1.0, persons=persons).frames())


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
