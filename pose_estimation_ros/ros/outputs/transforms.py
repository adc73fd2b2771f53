"""One TF frame for every joint of every tracked person."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from std_msgs.msg import Header

from pose_estimation_ros.engine.skeletons import skeleton_named
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.errors import ConfigError


class TransformPublisher:
    """Publishes `<prefix>person_<track>/<joint>` below the camera's frame on /tf."""

    def __init__(self, node: Node, prefix: str) -> None:
        """Creates the publisher of /tf.

        Raises:
            ConfigError: tf2_msgs is not installed.
        """
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError as error:
            raise ConfigError(
                "parameter 'publish_tf' needs tf2_msgs: apt install ros-jazzy-tf2-msgs"
            ) from error
        self._kind, self._prefix = TFMessage, prefix
        self._node = node
        self._publisher = node.create_publisher(TFMessage, "/tf", 100)

    def publish(self, header: Header, result: PoseResult) -> None:
        """Publishes the joints with known positions; lost tracks have none."""
        transforms = []
        joints = skeleton_named(result.skeleton).joints
        for person, track in enumerate(result.poses.track_ids.tolist()):
            if track < 0:
                continue
            points = result.poses.positions_m[person]
            for joint in np.flatnonzero(np.isfinite(points).all(axis=1)).tolist():
                child = f"{self._prefix}person_{track}/{joints[joint]}"
                transform: Any = TransformStamped(header=header, child_frame_id=child)
                place = transform.transform.translation
                place.x, place.y, place.z = points[joint].tolist()
                transforms.append(transform)
        if transforms:
            self._publisher.publish(self._kind(transforms=transforms))

    def destroy(self) -> None:
        self._node.destroy_publisher(self._publisher)
