"""Subscriptions that fit what the publishers offer, and what the user overrides."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.ros.inputs.camera_inputs import CameraInputs
from pose_estimation_ros.settings import CameraTopics

_K = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]


class _Bench:
    """A node whose inputs are under test, and publishers beside them."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.images: list[Any] = []
        self.warnings: list[str] = []
        self.nodes: list[Any] = []

    def node(self, name: str, *words: str) -> LifecycleNode:
        node = LifecycleNode(name, context=self.context, cli_args=["--ros-args", *words])
        self.executor.add_node(node)
        self.nodes.append(node)
        return node

    def inputs(self, topics: CameraTopics, *words: str) -> CameraInputs:
        node = self.node("inputs", *words)
        inputs = CameraInputs(node, "", topics, self.images.append, self.warnings.append)
        inputs.open()
        return inputs

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 15
        while not condition():
            assert time.monotonic() < deadline, "timed out"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        for node in self.nodes:
            node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def bench() -> Iterator[_Bench]:
    bench = _Bench()
    yield bench
    bench.close()


@pytest.mark.parametrize(
    ("topic", "of"), [("/image", "images"), ("/camera_info", "infos"), ("/depth", "depths")]
)
def test_qos_may_be_overridden(bench: _Bench, topic: str, of: str) -> None:
    names = {"durability": "transient_local", "reliability": "reliable"}
    words = [
        word
        for name, value in names.items()
        for word in ("-p", f"qos_overrides.{topic}.subscription.{name}:={value}")
    ]
    bench.inputs(CameraTopics(use_depth=True), *words)
    node = bench.nodes[0]
    bench.until(lambda: bool(node.get_subscriptions_info_by_topic(topic)))
    (found,) = node.get_subscriptions_info_by_topic(topic)
    assert found.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL, of
    assert found.qos_profile.reliability == ReliabilityPolicy.RELIABLE


def test_a_camera_info_that_was_published_once_is_taken(bench: _Bench) -> None:
    driver = bench.node("driver")
    once = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = driver.create_publisher(CameraInfo, "/cam/camera_info", once)
    publisher.publish(CameraInfo(k=_K, width=640, height=480))
    inputs = bench.inputs(CameraTopics(), "-r", "image:=/cam/image_raw")
    assert inputs.info_topic == "/cam/camera_info"
    bench.until(lambda: bench.nodes[1].count_publishers("/cam/camera_info") > 0)
    inputs.adapt([])
    bench.until(lambda: inputs.info_and_depth.is_calibrated)
    assert inputs.why_no_positions() == ""


def test_it_says_why_there_are_no_positions(bench: _Bench) -> None:
    inputs = bench.inputs(CameraTopics())
    why = inputs.why_no_positions()
    assert "no publisher of camera_info on /camera_info" in why and "camera_info:=" in why
    publisher = bench.node("driver").create_publisher(CameraInfo, "/camera_info", 1)
    bench.until(lambda: bench.nodes[0].count_publishers("/camera_info") > 0)
    assert inputs.why_no_positions() == "nothing came on /camera_info"
    bench.until(lambda: publisher.get_subscription_count() > 0)
    publisher.publish(CameraInfo())
    bench.until(lambda: inputs.info_and_depth.knows_camera)
    assert "not calibrated" in inputs.why_no_positions()


@pytest.mark.parametrize("overridden", [False, True])
def test_every_frame_of_a_best_effort_camera_is_taken(bench: _Bench, overridden: bool) -> None:
    name = "qos_overrides./image.subscription.reliability"
    words = ["-p", f"{name}:=reliable"] if overridden else []
    inputs = bench.inputs(CameraTopics(every_frame=True), *words)
    driver = bench.node("driver")
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = driver.create_publisher(ImageMsg, "image", qos)
    node = bench.nodes[0]
    bench.until(lambda: node.count_publishers("/image") > 0)
    inputs.adapt(node.get_publishers_info_by_topic("/image"))
    inputs.adapt(node.get_publishers_info_by_topic("/image"))
    assert len(bench.warnings) == (0 if overridden else 1)
    if overridden:
        return
    assert "best effort" in bench.warnings[0]

    def sent() -> bool:
        publisher.publish(ImageMsg())
        return bool(bench.images)

    bench.until(sent)
