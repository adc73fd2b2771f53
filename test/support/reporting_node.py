"""In the node's place: reads all that a launch file gave it, writes that down, and ends."""

import json
import os
from pathlib import Path

import rclpy
from rclpy.logging import get_logger_effective_level

from pose_estimation_ros.ros.declared_parameters import SETTINGS
from pose_estimation_ros.ros.node import PoseEstimationNode

rclpy.init()
node = PoseEstimationNode()
name = node.get_fully_qualified_name()
values = {key: node.get_parameter(key).value for key in [*SETTINGS, "use_sim_time"]}
cameras = [camera for camera in values["cameras"] if camera] or [""]
topics = {
    topic: node.resolve_topic_name(topic)
    for camera in cameras
    for topic in (f"{camera}/{kind}".strip("/") for kind in ("image", "camera_info", "depth"))
}
report = {
    "parameters": values,
    "topics": topics,
    "level": get_logger_effective_level(node.get_logger().name).name,
    "profile": os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE", ""),
}
file = Path(os.environ["REPORTS"]) / f"{name.strip('/').replace('/', '.')}.json"
file.with_suffix(".part").write_text(json.dumps(report))
file.with_suffix(".part").rename(file)
