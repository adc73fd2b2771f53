"""One body's model as REP 155 has it: its URDF, its joint states, and the frames of its links."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.kinematics import (
    LINKS,
    BodyPosture,
    BodySize,
    BodySizeEstimate,
    body_posture,
    turned_about,
)
from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.ros.outputs.human_urdf import human_urdf
from pose_estimation_ros.ros.outputs.transforms import frame_at
from pose_estimation_ros.ros.topic_qos import latched, outgoing

# Joints less sure than this bend the model where nobody bends.
_SURE = 0.2
# A model is published anew when a length has changed by this share of it.
_CHANGED = 0.1


class HumanBodyPublisher:
    """Publishes `urdf`, once the person's sizes are known, and `joint_states` below a topic.

    The URDF is latched, and published anew when the sizes turn out otherwise. Angles of joints
    that are out of sight are left out rather than repeated.
    """

    def __init__(self, node: Node, topic: str, body_id: str) -> None:
        self._node, self._id = node, body_id
        self._estimate = BodySizeEstimate()
        self._size: BodySize | None = None  # as published
        self._urdf: Any = node.create_publisher(String, f"{topic}/urdf", latched())
        self._states: Any = node.create_publisher(JointState, f"{topic}/joint_states", outgoing())

    def publish(self, place: Header, poses: Poses, person: int) -> list[TransformStamped]:
        """Publishes what is known of a person; `place` is the header of positions.

        Returns:
            The frames of `body_<id>` and its links, each below its parent; empty where hips and
            shoulders are not known.
        """
        joints = _sure_joints(poses, person)
        self._estimate.update(joints)
        posture = body_posture(joints)
        if posture is None:
            return []
        size = self._estimate.size
        if size is not None and (self._size is None or _differ(size, self._size)):
            self._size = size
            self._urdf.publish(String(data=human_urdf(self._id, size)))
        root = f"body_{self._id}"
        frames = [frame_at(place, root, posture.origin, posture.rotation)]
        if self._size is not None:
            self._states.publish(
                JointState(
                    header=Header(stamp=place.stamp, frame_id=root),
                    name=[f"{joint}_{self._id}" for joint in posture.angles],
                    position=list(posture.angles.values()),
                )
            )
            frames += self._links(place, posture, self._size)
        return frames

    def destroy(self) -> None:
        """Ends the topics."""
        for publisher in (self._urdf, self._states):
            self._node.destroy_publisher(publisher)

    def _links(
        self, place: Header, posture: BodyPosture, size: BodySize
    ) -> list[TransformStamped]:
        """The frames below the body that robot_state_publisher would send for these states."""
        frames = []
        for link in LINKS:
            if link.axis is None:
                turned = None
            elif link.joint in posture.angles:
                turned = turned_about(link.axis, posture.angles[link.joint])
            else:
                continue
            parent = Header(stamp=place.stamp, frame_id=f"{link.parent}_{self._id}")
            origin = np.array(link.origin(size))
            frames.append(frame_at(parent, f"{link.name}_{self._id}", origin, turned))
        return frames


def _sure_joints(poses: Poses, person: int) -> dict[str, AnyArray]:
    """The joints (3,) of a person that have a position and are sure, by name."""
    places, scores = poses.positions_m[person], poses.joints.scores[person]
    known = np.isfinite(places).all(axis=1) & (scores >= _SURE)
    names = poses.skeleton.joints
    return {names[joint]: places[joint] for joint in np.flatnonzero(known).tolist()}


def _differ(a: BodySize, b: BodySize) -> bool:
    return any(abs(x - y) > _CHANGED * y for x, y in zip(astuple(a), astuple(b), strict=True))
