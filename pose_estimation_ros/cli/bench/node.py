"""Benchmarks the node over DDS, from image message to PoseArray."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any

import psutil
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image as ImageMsg
from std_msgs.msg import Header

from pose_estimation_ros.cli.bench.engine import CROWD, FEW
from pose_estimation_ros.cli.demo.command import node_command, stop
from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.execution.latency import summarise
from pose_estimation_ros.engine.execution.process_memory import MEGABYTE
from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.msg import PoseArray
from pose_estimation_ros.ros.dds import profile as dds_profile
from pose_estimation_ros.ros.outputs.visualisation import image_message

NAMESPACE = f"/pose_bench_{os.getpid()}"  # of its own: two may run at a time
_STAGES = ("age_at_receipt", "queue", "decode", "detect", "pose", "track", "publish", "total")
_ALLOWED_LOSS = 0.05
_START_S = 30.0

_BARE_NODE = """
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("bare")
newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
node.create_subscription(Image, "{topic}", lambda message: None, newest)
try:
    rclpy.spin(node)
except KeyboardInterrupt:  # that is how it is ended
    pass
"""


class NodeBench:
    """Runs a node and plays the scene to it at different rates."""

    def __init__(self, pipeline: str, persons: int, size: tuple[int, int], runtime: str) -> None:
        self._persons, self._size = persons, size
        self._messages: list[PoseArray] = []
        self._camera: Any = None
        # The frames repeat; without the pose cache every pose is still estimated.
        parameters: dict[str, Any] = {"pipeline": pipeline, "runtime": runtime}
        parameters["max_persons"] = persons
        parameters["cache_size"] = 0
        if persons > FEW:
            parameters |= CROWD
        with tempfile.TemporaryFile() as log:
            self._process = subprocess.Popen(
                node_command(parameters, NAMESPACE), stdout=log, stderr=subprocess.STDOUT
            )
        self._context = rclpy.Context()
        self._context.init()
        self._node = rclpy.create_node(
            "bench", namespace=NAMESPACE, context=self._context, enable_rosout=False
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        deep = QoSProfile(depth=1000)
        self._node.create_subscription(PoseArray, "poses", self._messages.append, deep)

    def __enter__(self) -> NodeBench:
        deadline = time.monotonic() + _START_S
        while self._node.count_subscribers(f"{NAMESPACE}/image") == 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise PoseEstimationError("the node did not start: run `pose_estimation doctor`")
            self._executor.spin_once(timeout_sec=0.05)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        stop(self._process)
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def answer(self, pixels: ByteArray, timeout_s: float = 2.0) -> tuple[float, bool] | None:
        """Sends one BGR image through the node.

        Returns:
            Milliseconds from receipt to publishing, and whether a person was found; None if the
            image was lost."""
        if self._camera is None:
            newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._camera = self._node.create_publisher(ImageMsg, "image", newest)
            while self._camera.get_subscription_count() == 0:
                self._executor.spin_once(timeout_sec=0.05)
        self._messages.clear()
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._camera.publish(image_message(header, pixels))
        deadline = time.monotonic() + timeout_s
        while not self._messages and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)
        for answer in self._messages:
            if answer.header.stamp == header.stamp:
                return float(answer.times.total), bool(answer.poses)
        return None

    def play(self, rate: float, seconds: float) -> dict[str, Any]:
        """Plays the scene at a rate; returns frame counts, latency in ms, memory and CPU time."""
        self._messages.clear()
        width, height = self._size
        command = [sys.executable, "-m", "pose_estimation_ros.cli.demo.player", "--prepared"]
        command += ["--size", f"{width}x{height}", "--persons", str(self._persons)]
        command += ["--rate", str(rate), "--seconds", str(seconds)]
        watched = psutil.Process(self._process.pid)
        cpu = watched.cpu_times()
        player = subprocess.Popen([*command, "--ros-args", "-r", f"__ns:={NAMESPACE}"])
        while player.poll() is None:
            self._executor.spin_once(timeout_sec=0.02)
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)
        used = watched.cpu_times()
        cpu_s = used.user + used.system - cpu.user - cpu.system
        messages = self._messages[min(5, len(self._messages) // 4) :]
        latency = {
            stage: summarise([float(getattr(m.times, stage)) for m in messages])
            for stage in _STAGES
        }
        return {
            "rate": rate,
            "sent": round(rate * seconds),
            "answered": len(self._messages),
            "persons_found": sum(len(m.poses) for m in messages) / max(len(messages), 1),
            "latency_ms": {
                name: {"p50": s.p50, "p95": s.p95, "p99": s.p99, "max": s.max}
                for name, s in latency.items()
            },
            "cpu_s_per_frame": cpu_s / max(len(self._messages), 1),
            "rss_mb": watched.memory_info().rss / MEGABYTE,
        }

    def peak_rate(self, seconds: float, highest: float = 240.0) -> tuple[float, dict[str, Any]]:
        """Finds the highest rate, within 10 %, that loses less than 5 %, and its figures.

        Bisects between a sustained and an unsustained rate, as ros2_benchmark does.
        """
        low, high = 1.0, highest
        best = self.play(low, 2.0)
        while high / low > 1.1:
            rate = round((low * high) ** 0.5, 1)
            run = self.play(rate, seconds)
            if run["answered"] < (1 - _ALLOWED_LOSS) * run["sent"]:
                run = self.play(rate, seconds)  # retry: the machine may have been busy
            if run["answered"] >= (1 - _ALLOWED_LOSS) * run["sent"]:
                low, best = rate, run
            else:
                high = rate
        return low, best


def bare_node_rss_mb(size: tuple[int, int]) -> float:
    """Measures the memory of a minimal rclpy node that receives images."""
    width, height = size
    code = _BARE_NODE.format(topic=f"{NAMESPACE}/image")
    bare = subprocess.Popen([sys.executable, "-c", code])
    command = [sys.executable, "-m", "pose_estimation_ros.cli.demo.player", "--prepared"]
    command += ["--size", f"{width}x{height}", "--seconds", "2", "--ros-args"]
    subprocess.run([*command, "-r", f"__ns:={NAMESPACE}"], check=True)
    memory = psutil.Process(bare.pid).memory_info().rss / MEGABYTE
    stop(bare)
    return float(memory)


def prepare_environment() -> None:
    """Restricts DDS to this machine and gives it room for images, as in the demo."""
    os.environ.update(dds_profile.defaults(os.environ))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
