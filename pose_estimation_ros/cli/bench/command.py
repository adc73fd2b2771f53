"""`pose_estimation bench`: measures speed and memory of the engine and the node."""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pose_estimation_ros.cli._options import parse_size
from pose_estimation_ros.engine.execution.cpu_features import processor_name, usable_cores
from pose_estimation_ros.errors import ConfigError, PoseEstimationError
from pose_estimation_ros.io.atomic_file import write_whole
from pose_estimation_ros.package_files import version
from pose_estimation_ros.settings import RUNTIMES

_MEASURED = {"onnxruntime": "onnxruntime", "openvino": "openvino"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--persons",
        type=int,
        nargs="+",
        default=[1, 2, 4, 8, 18],
        metavar="N",
        help="persons in the image, for v4 (default: 1 2 4 8 18)",
    )
    parser.add_argument(
        "--size",
        type=parse_size,
        nargs="+",
        default=[(640, 480), (1920, 1080)],
        metavar="WxH",
        help="image sizes (default: 640x480 1920x1080)",
    )
    parser.add_argument(
        "--runtime",
        nargs="+",
        metavar="NAME",
        help="runtimes (default: onnxruntime, and openvino if installed)",
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="duration of each measurement")
    parser.add_argument("--no-node", action="store_true", help="the engine only, without ROS")
    parser.add_argument(
        "--against",
        choices=("mediapipe",),
        help="also measure this library, alternating with V3 on the same frames",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="plot latency over persons"
    )


def run(args: argparse.Namespace) -> int:
    runtimes = args.runtime or [
        name for name, module in _MEASURED.items() if importlib.util.find_spec(module)
    ]
    if min(args.persons) < 1:
        raise ConfigError(f"--persons: {min(args.persons)} is below 1")
    if not args.seconds > 0:
        raise ConfigError(f"--seconds: {args.seconds:g} is not above 0")
    for name in runtimes:
        if name not in RUNTIMES:
            raise ConfigError(f"--runtime: '{name}' is unknown: choose from {', '.join(RUNTIMES)}")
    report: dict[str, Any] = {"machine": machine(), "engine": [], "node": []}
    print(json.dumps(report["machine"]))
    for row in _engine(args, runtimes):
        report["engine"].append(row)
    report["summary"] = list(summarise_engine(report["engine"]))
    node = not args.no_node and _has_ros()
    if not args.no_node and not node:
        print("the node was not measured: it needs ROS 2 (--no-node hides this)", file=sys.stderr)
    elif node:
        report["node"] = list(_node(args, runtimes[0]))
    if args.against:
        from pose_estimation_ros.cli.bench.mediapipe import against_mediapipe

        report["against"] = list(against_mediapipe(args.size, runtimes[0], 2 * args.seconds, node))
    if args.json:
        write_whole(args.json, json.dumps(report, indent=1))
    if args.picture:
        from pose_estimation_ros.cli.bench.plot import draw

        draw(report, args.picture)
    return 0


def _has_ros() -> bool:
    try:
        import rclpy  # noqa: F401
    except ImportError:
        return False
    return True


def summarise_engine(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Prints and yields each runtime's overhead over the networks, and the cost per person."""
    for runtime in dict.fromkeys(row["runtime"] for row in rows):
        mine = [r for r in rows if r["runtime"] == runtime and r["size"] == rows[0]["size"]]
        v3 = [r for r in mine if r["pipeline"] == "v3"]
        v4 = sorted((r for r in mine if r["pipeline"] == "v4"), key=lambda r: int(r["persons"]))
        p50 = {id(row): row["latency_ms"]["total"]["p50"] for row in mine}
        summary: dict[str, Any] = {"runtime": runtime}
        for row in (*v3[:1], *v4[-1:]):
            name = f"{row['pipeline']}_overhead"
            summary[name] = p50[id(row)] / row["networks_ms"] - 1
            print(
                f"{runtime}: {row['pipeline']} with {row['persons']} adds {summary[name]:.0%} to "
                "the networks' own time"
            )
        extra = v4[-1]["persons"] - v4[0]["persons"] if v4 else 0
        if extra:
            summary["ms_per_person"] = (p50[id(v4[-1])] - p50[id(v4[0])]) / extra
            print(f"{runtime}: v4 takes {summary['ms_per_person']:.2f} ms per additional person")
        yield summary


def machine() -> dict[str, Any]:
    """Describes the machine that the figures are measured on."""
    return {
        "cpu": processor_name(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "package": version(),
    }


def _cases(args: argparse.Namespace) -> Iterator[tuple[str, int, tuple[int, int]]]:
    """Yields (pipeline, persons, size): all counts at the first size, the largest at others."""
    for index, size in enumerate(args.size):
        yield "v3", 1, size
        for persons in args.persons if index == 0 else [max(args.persons)]:
            yield "v4", persons, size


def _engine(args: argparse.Namespace, runtimes: list[str]) -> Iterator[dict[str, Any]]:
    heading = f"{'engine':<14}{'runtime':<13}{'persons':>8}{'found':>7}{'p50':>8}{'p95':>8}"
    print(heading + f"{'p99':>8}{'nets':>8}{'fps':>8}{'CPU ms':>8}{'RSS MB':>8}{'start s':>8}")
    for runtime in runtimes:
        for pipeline, persons, size in _cases(args):
            case = {
                "pipeline": pipeline,
                "persons": persons,
                "size": size,
                "runtime": runtime,
                "seconds": args.seconds,
            }
            command = [sys.executable, "-m", "pose_estimation_ros.cli.bench.engine"]
            child = subprocess.run(
                [*command, json.dumps(case)], capture_output=True, text=True, check=False
            )
            if child.returncode != 0:
                lines = child.stderr.strip().splitlines() or ["no reason given"]
                raise PoseEstimationError(f"the measurement {case} failed: {lines[-1]}")
            row = {**case, **json.loads(child.stdout.splitlines()[-1])}
            total = row["latency_ms"]["total"]
            name = f"{pipeline} {size[0]}x{size[1]}"
            print(
                f"{name:<14}{runtime:<13}{persons:>8}{row['persons_found']:>7.1f}"
                f"{total['p50']:>8.1f}{total['p95']:>8.1f}{total['p99']:>8.1f}{row['networks_ms']:>8.1f}"
                f"{row['fps']:>8.1f}{row['cpu_s_per_frame'] * 1e3:>8.1f}{row['rss_mb']:>8.0f}"
                f"{row['cold_start_s']:>8.2f}",
                flush=True,
            )
            yield row


def _node(args: argparse.Namespace, runtime: str) -> Iterator[dict[str, Any]]:
    from pose_estimation_ros.cli.bench.node import (
        NodeBench,
        bare_node_rss_mb,
        prepare_environment,
    )

    prepare_environment()
    print(
        f"\n{'node':<14}{'persons':>8}{'found':>7}{'p50':>8}{'p95':>8}{'p99':>8}{'jitter':>8}"
        f"{'peak fps':>10}{'CPU ms':>8}{'RSS MB':>8}{'+bare MB':>9}"
    )
    for size in args.size:
        bare = bare_node_rss_mb(size)
        for pipeline, persons in (("v3", 1), ("v4", max(args.persons))):
            with NodeBench(pipeline, persons, size, runtime) as bench:
                peak, _ = bench.peak_rate(args.seconds)
                # Latency is measured well below the peak rate, where frames do not queue.
                row = bench.play(max(1.0, round(0.6 * peak, 1)), 2 * args.seconds)
            row |= {"pipeline": pipeline, "persons": persons, "size": size, "runtime": runtime}
            row |= {"peak_fps": peak, "bare_rss_mb": bare}
            total = row["latency_ms"]["total"]
            name = f"{pipeline} {size[0]}x{size[1]}"
            print(
                f"{name:<14}{persons:>8}{row['persons_found']:>7.1f}{total['p50']:>8.1f}"
                f"{total['p95']:>8.1f}{total['p99']:>8.1f}{total['p99'] - total['p50']:>8.1f}"
                f"{peak:>10.1f}{row['cpu_s_per_frame'] * 1e3:>8.1f}{row['rss_mb']:>8.0f}"
                f"{row['rss_mb'] - bare:>9.0f}",
                flush=True,
            )
            yield row
