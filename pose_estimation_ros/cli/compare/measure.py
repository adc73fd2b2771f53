"""Measures one pipeline; run as a process of its own, so that its memory can be told.

python -m pose_estimation_ros.cli.compare.measure SOURCE --pipeline v3 --records FILE

Prints one JSON object; the poses go to the file, one line per frame.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from pose_estimation_ros.cli._options import (
    add_engine_arguments,
    build_engine,
    engine_options,
)
from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.engine.execution.process_memory import MEGABYTE, resident_mb
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.engine.types import Frame
from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.io.pose_records import as_json
from pose_estimation_ros.io.prefetch import prefetched
from pose_estimation_ros.io.recordings import open_sequence

_WARM_UP = 3


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Measures latency and stage times in ms per frame, memory in MB and cores used."""
    sequence = open_sequence(args.source, args.topic)
    before_mb = resident_mb()
    models, pipeline = build_engine(args, fall_back=False)
    latencies: list[float] = []
    stages: dict[str, list[float]] = {"detect": [], "pose": [], "track": []}
    total = min(args.frames or sys.maxsize, sequence.length or sys.maxsize)
    progress = Progress(f"{args.pipeline} frames", total if total < sys.maxsize else None)
    cpu_s = wall_s = 0.0
    with contextlib.ExitStack() as stack:
        stack.callback(models.close)
        file = stack.enter_context(args.records.open("w", encoding="utf-8"))
        frames = prefetched(sequence.frames())
        for index, (image, stamp_s) in enumerate(frames):
            frame = Frame(image, stamp_s)
            if index == 0:  # warm-up: first touch of memory and caches
                warm = build_pipeline(args.pipeline, models, engine_options(args))
                for _ in range(_WARM_UP):
                    warm.process(frame)
            cpu, start = time.process_time(), time.perf_counter()
            result = pipeline.process(frame)
            spent_s = time.perf_counter() - start
            cpu_s += time.process_time() - cpu
            wall_s += spent_s
            latencies.append(spent_s * 1e3)
            stages["detect"].append(result.times.detect_ms)
            stages["pose"].append(result.times.pose_ms)
            stages["track"].append(result.times.track_ms)
            file.write(json.dumps(as_json(index, result, stamp_s)) + "\n")
            progress.show(index + 1)
            if index + 1 == args.frames:
                break
        frames.close()
    progress.close()
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "pipeline": args.pipeline,
        "damage": sequence.damage,
        "detector": models.statuses()["detector"].active,
        "pose_model": models.pose.status.active,
        "latency_ms": latencies,
        "stages_ms": stages,
        "memory_peak_mb": peak_kb * 1024 / MEGABYTE,
        "memory_before_models_mb": before_mb,
        "cores_used": cpu_s / wall_s if wall_s else 0.0,
    }


def main() -> int:
    """Entry point for `compare`; not meant for users."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--topic", default="")
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--records", type=Path, required=True)
    add_engine_arguments(parser)
    args = parser.parse_args()
    try:
        print(json.dumps(measure(args)))
    except PoseEstimationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
