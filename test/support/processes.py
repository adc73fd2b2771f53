"""Real processes on real DDS: the node, a camera, and a client in the test's own process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from pose_estimation_ros.msg import PoseArray
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.qos import QoSProfile


def node_executable() -> str:
    for prefix in os.environ["AMENT_PREFIX_PATH"].split(os.pathsep):
        path = Path(prefix) / "lib" / "pose_estimation_ros" / "pose_estimation_node"
        if path.is_file():
            return str(path)
    raise AssertionError("the package is not sourced: run the tests with scripts/with_env")


def segments(pid: int) -> set[Path]:
    """The files of shared memory of the middleware that a process maps; none once it has ended.

    Not those of its ports: they are few, have fixed names, and the next process takes them over.
    """
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return set()
    paths = {Path(line.split()[-1]) for line in lines if "/dev/shm/fastrtps_" in line}
    return {path for path in paths if "fastrtps_port" not in path.name}


class Process:
    """A process whose output is kept."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        self.pid = self._process.pid

    @property
    def output(self) -> str:
        return self._log.read_text()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout_s: float = 30.0) -> int:
        return self._process.wait(timeout_s)

    def interrupt(self, timeout_s: float = 15.0) -> int:
        """Ctrl-C; the exit code."""
        if self.running:
            self._process.send_signal(signal.SIGINT)
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """Ctrl-C first: a process that is killed leaves its shared memory behind."""
        if self.running:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        if self.running:
            self._process.kill()
            self._process.wait()


def spin_until(executor: Executor, condition: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        executor.spin_once(timeout_sec=0.05)


class Client:
    """Subscribes to what the node publishes and calls its services."""

    def __init__(self, namespace: str) -> None:
        self.context = rclpy.Context()
        self.context.init()
        self.node = rclpy.create_node("test_client", namespace=namespace, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.poses: list[PoseArray] = []
        self.diagnostics: list[tuple[float, DiagnosticArray]] = []
        deep = QoSProfile(depth=500)
        self.node.create_subscription(PoseArray, "poses", self.poses.append, deep)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics.append((time.monotonic(), message))

    def spin_until(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
        spin_until(self.executor, condition, timeout_s)

    def spin_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.05)

    def call(self, kind: Any, name: str, request: Any, timeout_s: float = 15.0) -> Any:
        client = self.node.create_client(kind, name)
        try:
            assert client.wait_for_service(timeout_s), f"no service {name}"
            future = client.call_async(request)
            self.spin_until(future.done, timeout_s)
            return future.result()
        finally:
            self.node.destroy_client(client)

    def latest_values(self, status_end: str) -> dict[str, str]:
        """Keys and values of the newest status whose name ends so."""
        for _, message in reversed(self.diagnostics):
            for status in message.status:
                if status.name.endswith(status_end):
                    return {"message": status.message, **{v.key: v.value for v in status.values}}
        return {}

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


class Rig:
    """A namespace of its own with whatever runs in it; everything ends with the test."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self.namespace, self._folder = namespace, folder
        self.client = Client(namespace)
        self._processes: list[Process] = []

    def start(self, command: list[str], name: str) -> Process:
        process = Process(command, self._folder / f"{name}-{len(self._processes)}.log")
        self._processes.append(process)
        return process

    def start_node(self, wait: bool = True, **parameters: object) -> Process:
        """With its parameters' defaults but those given."""
        command = [node_executable(), "--ros-args", "-r", f"__ns:={self.namespace}"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        node = self.start(command, "node")
        if wait:
            topic = f"{self.namespace}/image"
            self.client.spin_until(
                lambda: not node.running or self.client.node.count_subscribers(topic) > 0
            )
            assert node.running, node.output
        return node

    def start_camera(self, *arguments: str) -> Process:
        command = [sys.executable, "-m", "pose_estimation_ros.cli.demo.player", *arguments]
        return self.start([*command, "--ros-args", "-r", f"__ns:={self.namespace}"], "camera")

    def close(self) -> None:
        for process in self._processes:
            process.kill()
        self.client.close()


@contextlib.contextmanager
def open_rig(name: str, folder: Path) -> Iterator[Rig]:
    rig = Rig(f"/{name}", folder)
    try:
        yield rig
    finally:
        rig.close()
