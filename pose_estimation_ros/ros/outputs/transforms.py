"""TF frames for every tracked person and every joint of theirs."""

from __future__ import annotations

from typing import Any

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
        self.problem = ""
        self._kind, self._prefix = tf_message("publish_tf"), prefix
        self._node = node
        self._publisher = node.create_publisher(self._kind, "/tf", 100)

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


def tf_message(parameter: str) -> Any:
    """The type of /tf.

    Raises:
        ConfigError: tf2_msgs is not installed, which this parameter needs.
    """
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError as error:
        raise ConfigError(
            f"parameter '{parameter}' needs tf2_msgs ({error}): apt install ros-jazzy-tf2-msgs"
        ) from error
    return TFMessage


def frame_at(
    header: Header, child: str, place_m: AnyArray, rotation: AnyArray | None = None
) -> TransformStamped:
    """The frame `child` at (3,) metres in the header's frame, with its axes, or turned (3, 3)."""
    frame = TransformStamped(header=header, child_frame_id=child)
    set_xyz(frame.transform.translation, place_m)
    if rotation is not None:
        turn = frame.transform.rotation
        turn.x, turn.y, turn.z, turn.w = quaternion(rotation)
    return frame


def quaternion(rotation: AnyArray) -> tuple[float, float, float, float]:
    """A rotation (3, 3) as x, y, z, w (Shepperd's method: from the largest of the four)."""
    r = rotation
    trace = float(np.trace(r))
    squares = np.array([2 * r[0, 0] - trace, 2 * r[1, 1] - trace, 2 * r[2, 2] - trace, trace])
    largest = int(np.argmax(squares))
    i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
    values = np.empty(4)
    if largest == 3:
        values[:3] = r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
        values[3] = 1 + trace
    else:
        values[i] = 1 + squares[i]
        values[j], values[k] = r[j, i] + r[i, j], r[k, i] + r[i, k]
        values[3] = r[k, j] - r[j, k]
    x, y, z, w = (values / np.linalg.norm(values)).tolist()
    return x, y, z, w
