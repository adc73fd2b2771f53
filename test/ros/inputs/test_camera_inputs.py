"""Image topics follow remappings as those of image_transport do."""

from __future__ import annotations

import pytest
import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy

from pose_estimation_ros.ros.inputs.camera_inputs import CameraInputs
from pose_estimation_ros.settings import CameraTopics


@pytest.mark.parametrize(
    ("compressed", "prefix", "remappings", "topic"),
    [
        (False, "", [], "/image"),
        (False, "", ["image:=/cam/image_raw"], "/cam/image_raw"),
        (True, "", [], "/image/compressed"),
        (True, "", ["image:=/cam/image_raw"], "/cam/image_raw/compressed"),
        (True, "", ["image/compressed:=/cam/jpeg"], "/cam/jpeg"),
        (True, "", ["image:=/cam/raw", "image/compressed:=/cam/jpeg"], "/cam/jpeg"),
        (True, "front/", ["front/image:=/f/image_raw"], "/f/image_raw/compressed"),
        (True, "", ["__ns:=/robot", "image:=camera/raw"], "/robot/camera/raw/compressed"),
    ],
)
def test_the_topic(compressed: bool, prefix: str, remappings: list[str], topic: str) -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    words = ["--ros-args", *(word for rule in remappings for word in ("-r", rule))]
    node = LifecycleNode("inputs", context=context, cli_args=words)
    try:
        topics = CameraTopics(compressed=compressed)
        inputs = CameraInputs(node, prefix, topics, lambda _: None, lambda _: None)
        inputs.open()
        assert inputs.topic == topic
        inputs.close()
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_durability_may_be_overridden() -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    names = {"durability": "transient_local", "reliability": "reliable"}
    words = [
        word
        for name, value in names.items()
        for word in ("-p", f"qos_overrides./image.subscription.{name}:={value}")
    ]
    node = LifecycleNode("inputs", context=context, cli_args=["--ros-args", *words])
    try:
        inputs = CameraInputs(node, "", CameraTopics(), lambda _: None, lambda _: None)
        inputs.open()
        assert inputs.images is not None
        assert inputs.images.qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
        inputs.close()
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
