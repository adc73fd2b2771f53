"""TF frames for every tracked person and every joint of theirs."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from std_msgs.msg import Header

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.skeletons import skeleton_named
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.ros.outputs.person_place import person_positions, set_xyz


class TransformPublisher:
    """Publishes `<prefix>person_<track>` and `<prefix>person_<track>/<joint>` on /tf.

    Both are below the frame of the positions, with its axes.

    Attributes:
        problem: why there are none; empty where there are.
    """

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
        self.problem = ""
        self._kind, self._prefix = TFMessage, prefix
        self._node = node
        self._publisher = node.create_publisher(TFMessage, "/tf", 100)

    def publish(self, header: Header, result: PoseResult) -> None:
        """Publishes what has a known position; lost tracks have none."""
        if not header.frame_id:  # TF refuses transforms from a frame without a name
            self.problem = (
                "no transforms: header.frame_id of the images is empty: the driver sets it"
            )
            return
        self.problem = ""
        transforms = []
        joints = skeleton_named(result.skeleton).joints
        places = person_positions(result.poses)
        for person, track in enumerate(result.poses.track_ids.tolist()):
            if track < 0 or not np.isfinite(places[person]).all():
                continue
            name = f"{self._prefix}person_{track}"
            transforms.append(frame_at(header, name, places[person]))
            points = result.poses.positions_m[person]
            known = np.flatnonzero(np.isfinite(points).all(axis=1)).tolist()
            transforms += [frame_at(header, f"{name}/{joints[k]}", points[k]) for k in known]
        if transforms:
            self._publisher.publish(self._kind(transforms=transforms))

    def destroy(self) -> None:
        self._node.destroy_publisher(self._publisher)


def frame_at(header: Header, child: str, place_m: AnyArray) -> TransformStamped:
    """The frame `child` at (3,) metres in the header's frame, with its axes."""
    frame = TransformStamped(header=header, child_frame_id=child)
    set_xyz(frame.transform.translation, place_m)
    return frame
