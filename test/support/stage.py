"""A node that lives through many faults, a camera in the test's own process, and a watcher."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from pose_estimation_ros.msg import PoseArray
from processes import Process, Rig, open_rig
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rows import FULL
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMsg

# What is asked for on a machine that does nothing else; the short form may run beside other work.
SILENCE_S = 2.0 if FULL else 6.0
_CAMERA = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE
)


class Watcher:
    """Hears all that a namespace says, in a thread of its own, and keeps the times.

    `keep` makes of an answer what is kept of it. Whole ones of many persons are millions of
    objects after minutes, and Python's garbage collector stops this process for seconds.
    """

    def __init__(
        self,
        namespace: str,
        cameras: tuple[str, ...] = ("",),
        keep: Callable[[PoseArray], Any] = lambda answer: answer,
    ) -> None:
        self.context = rclpy.Context()
        self.context.init()
        self.node = rclpy.create_node("watcher", namespace=namespace, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._namespace = namespace
        self.heard_s: list[float] = []
        self._statuses: dict[str, dict[str, str]] = {}
        self.poses: dict[str, list[Any]] = {name: [] for name in cameras}
        deep = QoSProfile(depth=1000)
        for name, kept in self.poses.items():
            topic = f"{name}/poses" if name else "poses"
            self.node.create_subscription(
                PoseArray, topic, lambda answer, kept=kept: kept.append(keep(answer)), deep
            )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self._thread = threading.Thread(target=self._spin, name="watcher", daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while self.context.ok():
            with contextlib.suppress(Exception):  # the context ends while it spins
                self._executor.spin_once(timeout_sec=0.1)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        own = f"{self._namespace.lstrip('/')}/"
        ours = [s for s in message.status if s.name.startswith(own)]
        if ours:
            self.heard_s.append(time.monotonic())
        for status in ours:
            values = {value.key: value.value for value in status.values}
            self._statuses[status.name.rpartition(": ")[2]] = {
                "message": status.message,
                "level": str(status.level[0]),
                **values,
            }

    def status(self, name: str = "camera") -> dict[str, str]:
        """The newest status of a camera or of the "process": its message, level and values."""
        return self._statuses.get(name, {})

    def fresh_status(self, name: str = "camera", timeout_s: float = 20.0) -> dict[str, str]:
        """One that was made after now."""
        count = len(self.heard_s)
        wait_for(lambda: len(self.heard_s) >= count + 2, timeout_s, "no diagnostics")
        return self.status(name)

    def longest_silence_s(self, since_s: float) -> float:
        """The longest time without diagnostics since then (time.monotonic), up to now."""
        times = [since_s, *[t for t in self.heard_s if t > since_s], time.monotonic()]
        return float(np.diff(times).max())

    def close(self) -> None:
        self.context.try_shutdown()
        self._thread.join(5)
        self._executor.shutdown()
        self.node.destroy_node()


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0, what: str = "") -> float:
    """Waits until it holds; the seconds it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < timeout_s, f"timed out: {what}"
        time.sleep(0.01)
    return time.monotonic() - start


def start(rig: Rig, command: list[str] | None = None, **parameters: Any) -> Process:
    """Starts the node, or what `command` starts in its place; does not wait for it."""
    if command is None:
        return rig.start_node(wait=False, **parameters)
    words = [*command, "--ros-args", "-r", f"__ns:={rig.namespace}"]
    for name, value in parameters.items():
        words += ["-p", f"{name}:={value}"]
    return rig.start(words, "node")


class Stage:
    """One namespace with a node, a camera publisher here, and a watcher."""

    def __init__(
        self, rig: Rig, command: list[str] | None = None, listening: bool = True, **parameters: Any
    ) -> None:
        """Starts the node, or what `command` starts in its place."""
        self.rig = rig
        self.namespace = rig.namespace
        self.node: Process = start(rig, command, **parameters)
        self.watcher = Watcher(rig.namespace)
        make = self.watcher.node.create_publisher
        kind: Any = CompressedImage if parameters.get("compressed") else ImageMsg
        topic = "image/compressed" if parameters.get("compressed") else "image"
        self.camera = make(kind, topic, _CAMERA)
        self.info = make(CameraInfo, "camera_info", _CAMERA)
        self.depth = make(ImageMsg, "depth", _CAMERA)
        self.frames: list[np.ndarray] = []
        self._clients: dict[str, Any] = {}
        try:
            self.wait_until_connected(listening)
        except AssertionError:
            self.close()
            raise

    def wait_until_connected(self, listening: bool = True, timeout_s: float = 40.0) -> None:
        """Until the watcher hears the node and, where it listens, the node the camera here."""

        def connected() -> bool:
            assert self.node.running, self.node.output
            both = (
                self.camera.get_subscription_count() > 0
                and self.watcher.node.count_publishers(f"{self.namespace}/poses") > 0
            )
            return bool(self.watcher.heard_s) and (both or not listening)

        wait_for(connected, timeout_s, "the node does not listen")

    @property
    def poses(self) -> list[PoseArray]:
        return self.watcher.poses[""]

    def image(self, index: int = 0, **changes: Any) -> ImageMsg:
        """A good image of three persons, stamped now, with some fields changed."""
        return self.message(self.frames[index % len(self.frames)], **changes)

    def message(self, pixels: np.ndarray, **changes: Any) -> ImageMsg:
        """An image message of BGR pixels, stamped now, with some fields changed."""
        height, width = pixels.shape[:2]
        message = ImageMsg(height=height, width=width, encoding="bgr8", step=pixels.strides[0])
        message.header.stamp = self.watcher.node.get_clock().now().to_msg()
        message.header.frame_id = "stage"
        message.data = pixels.tobytes()
        for name, value in changes.items():
            if name in ("stamp", "frame_id"):
                setattr(message.header, name, value)
            else:
                setattr(message, name, value)
        return message

    def ask(self, message: Any, timeout_s: float = 15.0) -> PoseArray | None:
        """Publishes and waits for the answer; None where there is none."""
        count = len(self.poses)
        self.camera.publish(message)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for answer in self.poses[count:]:
                if answer.header == message.header:
                    return answer
            time.sleep(0.002)
        return None

    def good(self, tries: int = 3) -> PoseArray:
        """The answer to a good image, with all three persons.

        The middleware may lose an image on a machine that has no time, so there are some tries.
        """
        for index in range(tries):
            answer = self.ask(self.image(index), 10.0)
            if answer is not None and len(answer.poses) >= 3:
                return answer
        raise AssertionError(f"no answer to a good image in {tries} tries:\n{self.node.output}")

    def swallow(self, messages: list[Any], pause_s: float = 0.25) -> tuple[int, int]:
        """Sends images one at a time, between two good ones; how many of them were received, and
        how many dropped. Both by what the node says itself in its answers.
        """
        first = self.good()
        for message in messages:
            self.camera.publish(message)
            time.sleep(pause_s)
        last = self.good()
        received = last.sequence - first.sequence - 1
        return received, last.dropped - first.dropped

    def said(self, since: int) -> str:
        """What the node logged after its log had this length."""
        return self.node.output[since:]

    def call(self, kind: Any, service: str, request: Any, timeout_s: float = 20.0) -> Any:
        """The response of one of the node's services; None where there is none in time."""
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self.watcher.node.create_client(kind, service)
            assert client.wait_for_service(20), f"no service {service}"
        done = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        return future.result() if done.wait(timeout_s) else None

    @property
    def log_length(self) -> int:
        return len(self.node.output)

    def resources(self) -> tuple[float, int, int]:
        """Memory in MB, open files, threads of the node."""
        process = psutil.Process(self.node.pid)
        return process.memory_info().rss / 2**20, process.num_fds(), process.num_threads()

    @contextlib.contextmanager
    def never_silent(self, allow_s: float = 0.0) -> Iterator[Callable[[], str]]:
        """Within it diagnostics keep coming; gives what was seen, for the row, at its end."""
        since = time.monotonic()
        seen: list[float] = []
        yield lambda: f"silent for {seen[0]:.1f} s"
        seen.append(self.watcher.longest_silence_s(since))
        assert seen[0] < SILENCE_S + allow_s, f"no diagnostics for {seen[0]:.1f} s"

    def close(self) -> None:
        self.watcher.close()


@contextlib.contextmanager
def open_stage(
    name: str, folder: Path, frames: list[np.ndarray], **parameters: Any
) -> Iterator[Stage]:
    """A stage that ends with the block."""
    with open_rig(name, folder) as rig:
        stage = Stage(rig, **{"pipeline": "v4", "runtime": "onnxruntime", **parameters})
        stage.frames = frames
        try:
            yield stage
        finally:
            stage.close()
