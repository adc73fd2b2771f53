"""One camera of the watched node: its status, its newest poses, and its picture."""

from __future__ import annotations

import math
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from pose_estimation_ros.msg import PoseArray
from pose_estimation_ros.ros.dashboard.persons import PersonLog
from pose_estimation_ros.ros.dashboard.picture import LivePicture, PictureTopics
from pose_estimation_ros.ros.dashboard.readings import camera_readings
from pose_estimation_ros.ros.topic_qos import newest_only

_POSES, _JPEG = "pose_estimation_ros/msg/PoseArray", "sensor_msgs/msg/CompressedImage"
_OLD_S = 2.0  # poses that came longer ago are no news


class CameraWatch:
    """Subscribes to a camera's poses while somebody looks at the page."""

    def __init__(self, node: Node, name: str) -> None:
        self.name, self._node = name, node
        self.picture, self._topics = LivePicture(node), PictureTopics()
        self.status: DiagnosticStatus | None = None
        self.heard_s = -math.inf  # of the status
        self._persons = PersonLog()
        self._poses: PoseArray | None = None
        self._came_s = -math.inf
        self._open: tuple[str, Any] | None = None

    def beat(self, looked_at: bool, published: dict[str, list[str]], alone: bool) -> None:
        """Subscribes and unsubscribes.

        `published` are the node's topics with their types; of several cameras, each has its name
        in its topics.
        """

        def of_kind(kind: str) -> str:
            mine = [t for t, kinds in published.items() if kind in kinds]
            return next((t for t in mine if alone or f"/{self.name}/" in t), "")

        topic = of_kind(_POSES)
        if self._open is not None and (not looked_at or topic not in ("", self._open[0])):
            self._node.destroy_subscription(self._open[1])
            self._open = None
        if self._open is None and looked_at and topic:
            subscription = self._node.create_subscription(
                PoseArray, topic, self._on_poses, newest_only()
            )
            self._open = (topic, subscription)
        values = self.status.values if self.status is not None else []
        image = next((v.value for v in values if v.key == "topic"), "")
        if published:  # else the node is not in the graph (yet, or any more)
            self._topics = PictureTopics(of_kind(_JPEG), image)
        self.picture.beat(self._topics)

    def close(self) -> None:
        self.beat(False, {}, True)
        self.picture.close()

    def _on_poses(self, message: PoseArray) -> None:
        self._came_s, self._poses = time.monotonic(), message
        self._persons.update(message, self._came_s)
        self.picture.on_poses(message)

    def readings(self) -> dict[str, Any]:
        """What /api/state says of this camera."""
        now_s = time.monotonic()
        since_s = now_s - self._came_s
        fresh = since_s < _OLD_S
        poses = self._poses
        age_ms = math.nan if poses is None else float(poses.times.age_at_publish)
        return {
            **(camera_readings(self.status) if self.status is not None else {}),
            "name": self.name,
            "poses_came_s_ago": round(since_s, 2) if math.isfinite(since_s) else None,
            "age_ms": round(age_ms, 1) if fresh and math.isfinite(age_ms) else None,
            "persons": self._persons.rows(now_s) if fresh else [],
            "positions_frame": "" if poses is None else poses.header.frame_id,
            "pipeline": "" if poses is None else poses.pipeline,
            "picture_comes": self.picture.is_fresh,
        }
