"""`pose_estimation demo`: runs the real node with a simulated camera and shows the result.

Three processes on real DDS: the node, a player that publishes the frames in real time, and this
one, which records. The exit code is 0 only if poses came: for the bundled scene, for nine of ten
persons in the frames answered; for a video, whose people nobody counted, for at least one frame.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pose_estimation_ros.cli._options import (
    add_engine_arguments,
    engine_config,
    given_settings,
    make_folder,
    model_files,
    read_settings,
)
from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.errors import ConfigError, InputError, PoseEstimationError
from pose_estimation_ros.io.output_check import check_outputs
from pose_estimation_ros.model_zoo.manifest import resolve_model
from pose_estimation_ros.package_files import PACKAGE
from pose_estimation_ros.ros.dds import profile as dds_profile

NAMESPACE = "/pose_demo"
_START_S, _DRAIN_S, _STOP_S = 30.0, 2.0, 10.0

OUTPUT_FILES = ("annotated.mp4", "annotated.png", "poses.mcap", "metadata.yaml", "node.log")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--video", default="", metavar="FILE", help="a video (default: a bundled moving scene)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo_output"),
        metavar="FOLDER",
        help="folder for the results",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    config = engine_config(args)
    files = [Path(args.video)] if args.video else []
    files += model_files(read_settings(args))
    check_outputs(files, {f"--out, {name}": args.out / name for name in OUTPUT_FILES})
    os.environ.update(dds_profile.defaults(os.environ))
    # Keep the demo off the network, where robots may run.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    try:
        import rclpy  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "the demo needs ROS 2: source it, or run scripts/with_env pose_estimation demo; "
            "`pose_estimation video` works without it"
        ) from error
    from pose_estimation_ros.cli.demo.player import open_source
    from pose_estimation_ros.cli.demo.report import DemoReport

    source = open_source(args.video)
    make_folder(args.out)
    parameters = {"pipeline": config.pipeline, **given_settings(args)}
    for name in ("model_path", "yolo_model"):
        if name in parameters:
            parameters[name] = str(resolve_model(parameters[name]))
    print(
        f"playing {source.name} ({source.width}x{source.height}, {source.fps:g} frames/s) to "
        f"the {config.pipeline} node",
        file=sys.stderr,
    )
    recording = _Recording(source.length)
    with tempfile.TemporaryDirectory() as scratch:
        stamps = recording.run(parameters, args.video, Path(scratch), args.out / "node.log")
    report = DemoReport(source, stamps, recording.messages, recording.peak_memory_mb)
    report.write(args.out, f"{NAMESPACE}/poses")
    print(json.dumps(report.figures(), indent=2) if args.json else report.table())
    problem = report.problem()
    if recording.node_exit != 0:
        problem = f"the node ended with exit code {recording.node_exit}, see {args.out}/node.log"
    if problem:
        print(f"pose_estimation demo: error: {problem}", file=sys.stderr)
        return 1
    print(f"see {args.out}/annotated.mp4, annotated.png and poses.mcap", file=sys.stderr)
    return 0


def node_command(parameters: dict[str, Any], namespace: str) -> list[str]:
    """Builds the command that starts the installed node, as `ros2 run` would.

    Raises:
        ConfigError: the package is not built or not sourced.
    """
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        node = Path(prefix) / "lib" / PACKAGE / "pose_estimation_node"
        if prefix and node.is_file():
            command = [str(node), "--ros-args", "-r", f"__ns:={namespace}"]
            for name, value in parameters.items():
                if value is not None:
                    command += ["-p", f"{name}:={json.dumps(value)}"]
            return command
    raise ConfigError(f"the package {PACKAGE} is not sourced: build it and source its setup file")


class _Recording:
    """Runs node and player, and records every PoseArray."""

    def __init__(self, frames: int | None) -> None:
        self.messages: list[Any] = []
        self.peak_memory_mb = 0.0
        self.node_exit = -1
        self._frames = frames

    def run(self, parameters: dict[str, Any], video: str, scratch: Path, log: Path) -> list[int]:
        """Plays the source; returns the stamps of its frames in ns."""
        import rclpy
        from rclpy.qos import QoSProfile

        from pose_estimation_ros.msg import PoseArray
        from pose_estimation_ros.ros.log_folder import provide_log_folder

        played = scratch / "stamps.json"
        player_command = [sys.executable, "-m", "pose_estimation_ros.cli.demo.player"]
        player_command += ["--video", video, "--log", str(played)]
        player_command += ["--ros-args", "-r", f"__ns:={NAMESPACE}"]
        processes: list[subprocess.Popen[bytes]] = []
        recorder = None
        try:
            rclpy.init(args=provide_log_folder())
            recorder = rclpy.create_node("demo_recorder", namespace=NAMESPACE)
            recorder.create_subscription(
                PoseArray, "poses", self.messages.append, QoSProfile(depth=1000)
            )
            with log.open("wb") as output:
                node = subprocess.Popen(
                    node_command(parameters, NAMESPACE), stdout=output, stderr=subprocess.STDOUT
                )
            processes.append(node)
            self._await_node(recorder, node, log)
            player = subprocess.Popen(player_command)
            processes.append(player)
            self._record(recorder, node, player)
        except Exception as error:
            if rclpy.ok():
                raise
            # Ctrl-C shuts rclpy down, after which any call may fail.
            raise KeyboardInterrupt from error
        finally:
            for process in reversed(processes):
                stop(process)
            if recorder is not None:
                recorder.destroy_node()
            rclpy.try_shutdown()
        self.node_exit = node.returncode
        if not played.is_file():
            raise InputError("the player ended early: its error is above")
        stamps: list[int] = json.loads(played.read_text())
        return stamps

    def _await_node(self, recorder: Any, node: subprocess.Popen[bytes], log: Path) -> None:
        """Waits until the node subscribes to images."""
        import rclpy

        deadline = time.monotonic() + _START_S
        while recorder.count_subscribers(f"{NAMESPACE}/image") == 0:
            if node.poll() is not None:
                lines = [line for line in log.read_text().splitlines() if line.strip()]
                said = lines[-1] if lines else "it said nothing"
                raise PoseEstimationError(f"the node did not start: {said}")
            if time.monotonic() > deadline:
                raise PoseEstimationError(
                    f"the node did not subscribe to images within {_START_S:.0f} s, see {log}"
                )
            rclpy.spin_once(recorder, timeout_sec=0.05)

    def _record(
        self, recorder: Any, node: subprocess.Popen[bytes], player: subprocess.Popen[bytes]
    ) -> None:
        import psutil
        import rclpy

        from pose_estimation_ros.engine.execution.process_memory import MEGABYTE

        progress = Progress("frames answered", self._frames)
        watched = psutil.Process(node.pid)
        last_message, count = time.monotonic(), 0
        while node.poll() is None:
            rclpy.spin_once(recorder, timeout_sec=0.05)
            now = time.monotonic()
            if len(self.messages) != count:
                last_message, count = now, len(self.messages)
                progress.show(count)
                memory = watched.memory_info().rss / MEGABYTE
                self.peak_memory_mb = max(self.peak_memory_mb, memory)
            if player.poll() is not None and now - last_message > _DRAIN_S:
                break
        progress.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stops a process with SIGINT, and kills it if that fails."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
