"""`pose_estimation demo`: runs the real node with a simulated camera and shows the result.

Three processes on real DDS: the node, a player that publishes the frames in real time, and this
one, which records. The player starts when the first image has been answered, and where the machine
is too slow or too busy for the source's rate, it waits for each answer, and the report says so.
The exit code is 0 only if poses came: for the bundled scene, for nine of ten persons in the frames
answered; for a video, whose people nobody counted, for at least one frame. It is 3 where another
model answered than the one that is named.
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

from pose_estimation_ros.cli._model_usage import (
    add_strict_argument,
    is_strict,
    set_complaint,
    wrong_model,
)
from pose_estimation_ros.cli._options import (
    add_engine_arguments,
    check_count,
    engine_config,
    given_settings,
    make_folder,
    model_files,
    read_settings,
)
from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.cli.demo.node_models import NodeModels
from pose_estimation_ros.errors import ConfigError, InputError, PoseEstimationError
from pose_estimation_ros.io.live_camera import is_live
from pose_estimation_ros.io.output_check import check_outputs
from pose_estimation_ros.io.video_reader import VideoSource
from pose_estimation_ros.model_zoo.manifest import resolve_model
from pose_estimation_ros.package_files import PACKAGE
from pose_estimation_ros.ros.dds import profile as dds_profile

# Of its own, so that two at a time are deaf to each other.
NAMESPACE = f"/pose_demo_{os.getpid()}"
BAG_TOPIC = "/pose_demo/poses"
_START_S, _DRAIN_S, _STOP_S = 60.0, 2.0, 10.0
_DIAGNOSTICS_S = 10.0  # after the last answer, where the node has not said which models it used
_NEXT = (
    "next: your own video (make demo VIDEO=clip.mp4) or webcam (VIDEO=0); on a robot: ros2 launch "
    "pose_estimation_ros v4.launch.py image:=TOPIC, then ros2 topic echo /poses"
)

OUTPUT_FILES = ("annotated.mp4", "annotated.png", "poses.mcap", "metadata.yaml", "node.log")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--video",
        default="",
        metavar="IN",
        help="a video, a camera's number (0) or a stream (default: a bundled moving scene)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="SECONDS",
        help="stop after this time (default: 10, or a whole video)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo_output"),
        metavar="FOLDER",
        help="folder for the results",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_strict_argument(parser)
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    check_count("seconds", args.seconds)
    config = engine_config(args)
    files = [Path(args.video)] if args.video and not is_live(args.video) else []
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

    live = is_live(args.video)
    source = None if live else open_source(args.video)
    make_folder(args.out)
    parameters = {"pipeline": config.pipeline, **given_settings(args)}
    for name in ("model_path", "yolo_model"):
        if name in parameters:
            parameters[name] = str(resolve_model(parameters[name]))
    what, frames = f"{'camera' if args.video.isdigit() else 'stream'} {args.video}", None
    if source is not None:
        what = f"{source.name} ({source.width}x{source.height}, {source.fps:g} frames/s)"
        frames = source.length
        if frames is not None and args.seconds:
            frames = min(frames, round(args.seconds * source.fps))
    print(f"playing {what} to the {config.pipeline} node", file=sys.stderr)
    recording = _Recording(args.video, args.seconds, frames)
    with tempfile.TemporaryDirectory() as scratch:
        stamps = recording.run(parameters, Path(scratch), args.out / "node.log")
        # What a camera saw can only be seen again in the player's recording.
        played = source or VideoSource(str(recording.live_recording(Path(scratch))))
        report = DemoReport(played, stamps, recording.messages, recording.peak_memory_mb, live)
        report.write(args.out, BAG_TOPIC)
    figures = {**report.figures(), "models": recording.models.active}
    print(json.dumps(figures, indent=2) if args.json else report.table())
    print(f"\n{recording.models.summary()}", file=sys.stderr)
    print(f"see {args.out}/annotated.png, annotated.mp4 and the bag poses.mcap", file=sys.stderr)
    if report.slowed():
        print(f"note: {report.slowed()}", file=sys.stderr)
    problem = report.problem()
    if recording.node_exit != 0:
        problem = f"the node ended with exit code {recording.node_exit}, see {args.out}/node.log"
    if problem:
        print(f"pose_estimation demo: error: {problem}", file=sys.stderr)
        return 1
    used = recording.models
    complaint = set_complaint(args, config, used.one_stage) or used.complaint
    if complaint and is_strict(args, config):
        return wrong_model("demo", complaint)
    print(_NEXT, file=sys.stderr)
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

    def __init__(self, video: str, seconds: float | None, frames: int | None) -> None:
        self.messages: list[Any] = []
        self.models = NodeModels(NAMESPACE)
        self.peak_memory_mb = 0.0
        self.node_exit = -1
        self._video, self._seconds, self._frames = video, seconds, frames

    @staticmethod
    def live_recording(scratch: Path) -> Path:
        """Where the images of a live source are."""
        return scratch / "live.mp4"

    def run(self, parameters: dict[str, Any], scratch: Path, log: Path) -> list[int]:
        """Plays the source; returns the stamps of its frames in ns."""
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.qos import QoSProfile

        from pose_estimation_ros.msg import PoseArray
        from pose_estimation_ros.ros.log_folder import provide_log_folder

        played = scratch / "stamps.json"
        player_command = [sys.executable, "-m", "pose_estimation_ros.cli.demo.player"]
        player_command += ["--video", self._video, "--log", str(played), "--keep-pace"]
        player_command += ["--record", str(self.live_recording(scratch))]
        if self._seconds:
            player_command += ["--seconds", str(self._seconds)]
        player_command += ["--ros-args", "-r", f"__ns:={NAMESPACE}"]
        processes: list[subprocess.Popen[bytes]] = []
        recorder = None
        try:
            rclpy.init(args=provide_log_folder())
            recorder = rclpy.create_node("demo_recorder", namespace=NAMESPACE)
            recorder.create_subscription(
                PoseArray, "poses", self.messages.append, QoSProfile(depth=1000)
            )
            recorder.create_subscription(DiagnosticArray, "/diagnostics", self._take_models, 10)
            with log.open("wb") as output:
                node = subprocess.Popen(
                    node_command(parameters, NAMESPACE), stdout=output, stderr=subprocess.STDOUT
                )
            processes.append(node)
            player = subprocess.Popen(player_command, stdin=subprocess.PIPE)
            processes.append(player)
            self._await_node(recorder, node, player, log)
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
        stamps: list[int] = json.loads(played.read_text()) if played.is_file() else []
        if not stamps:
            raise InputError("the player played nothing: its error is above")
        return stamps

    def _take_models(self, message: Any) -> None:
        if self.messages:  # before the first answer nothing is settled
            self.models.take(message)

    def _await_node(
        self,
        recorder: Any,
        node: subprocess.Popen[bytes],
        player: subprocess.Popen[bytes],
        log: Path,
    ) -> None:
        """Waits until the node subscribes to images."""
        import rclpy

        deadline = time.monotonic() + _START_S
        while recorder.count_subscribers(f"{NAMESPACE}/image") == 0:
            if node.poll() is not None:
                lines = [line for line in log.read_text().splitlines() if line.strip()]
                said = lines[-1] if lines else "it said nothing"
                raise PoseEstimationError(f"the node did not start: {said}")
            if player.poll():  # a short video may be over by now
                raise InputError("the player ended early: its error is above")
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
                if player.stdin is not None:
                    player.stdin.close()  # the node is heard here, too: let the player start
                progress.show(count if self._frames is None else min(count, self._frames))
                memory = watched.memory_info().rss / MEGABYTE
                self.peak_memory_mb = max(self.peak_memory_mb, memory)
            drain_s = _DRAIN_S if self.models.active or not count else _DIAGNOSTICS_S
            if player.poll() is not None and now - last_message > drain_s:
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
