"""Image topics follow remappings as those of image_transport do, and camera_info follows them."""

from __future__ import annotations

import pytest
import rclpy
from rclpy.node import Node

from pose_estimation_ros.ros.inputs.topic_names import (
    camera_info_topic,
    image_topic,
    other_transport,
)


@pytest.mark.parametrize(
    ("compressed", "prefix", "remappings", "image", "info"),
    [
        (False, "", [], "/image", "/camera_info"),
        (False, "", ["image:=/cam/image_raw"], "/cam/image_raw", "/cam/camera_info"),
        (False, "", ["image:=/cam/raw", "camera_info:=/k"], "/cam/raw", "/k"),
        (True, "", [], "/image/compressed", "/camera_info"),
        (True, "", ["image:=/cam/image_raw"], "/cam/image_raw/compressed", "/cam/camera_info"),
        (True, "", ["image:=/cam/compressed"], "/cam/compressed", "/camera_info"),
        (True, "", ["image/compressed:=/cam/jpeg"], "/cam/jpeg", "/cam/camera_info"),
        (True, "", ["image:=/cam/raw", "image/compressed:=/c/jpeg"], "/c/jpeg", "/c/camera_info"),
        (True, "front/", ["front/image:=/f/raw"], "/f/raw/compressed", "/f/camera_info"),
        (False, "front/", [], "/front/image", "/front/camera_info"),
        (True, "", ["__ns:=/robot", "image:=camera/raw"], "/robot/camera/raw/compressed",
         "/robot/camera/camera_info"),
    ],
)  # fmt: skip
def test_the_topics(
    compressed: bool, prefix: str, remappings: list[str], image: str, info: str
) -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    words = ["--ros-args", *(word for rule in remappings for word in ("-r", rule))]
    node = Node("inputs", context=context, cli_args=words)
    try:
        assert image_topic(node, prefix, compressed) == image
        assert camera_info_topic(node, prefix, compressed) == info
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_the_other_transport() -> None:
    assert other_transport("/cam/image_raw") == "/cam/image_raw/compressed"
    assert other_transport("/cam/image_raw/compressed") == "/cam/image_raw"
