"""Persons as ROS4HRI has them (REP 155): one body each below /humans/bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import PointStamped
from rclpy.node import Node
from std_msgs.msg import Header

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.poses import TRACK_LOST, Poses
from pose_estimation_ros.engine.skeletons import Skeleton
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.ros.outputs.human_body import HumanBodyPublisher
from pose_estimation_ros.ros.outputs.person_place import person_positions, set_xyz
from pose_estimation_ros.ros.outputs.transforms import frame_at, tf_message
from pose_estimation_ros.ros.topic_qos import outgoing

_BODIES = "/humans/bodies"
# The joints of hri_msgs/Skeleton2D by its own numbers; the neck is between the shoulders.
_ORDER = (
    "nose",
    "",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
)
_NECK = 1


@dataclass(frozen=True, slots=True)
class _Body:
    """The publishers of one body."""

    skeleton: Any
    roi: Any
    position: Any
    model: HumanBodyPublisher


class HumansPublisher:
    """Publishes every tracked person of a camera as a body, with a frame `body_<id>` on /tf.

    Where hips and shoulders are known, x of that frame points forward and z to the head, and the
    frames of the body's links follow; else it has the axes of the frame of the positions.

    An id is made of the camera's name and the track's number; letters come first, as a topic's
    name asks for.
    """

    def __init__(self, node: Node, camera: str) -> None:
        """Creates the publishers of the list of bodies and of /tf.

        Raises:
            ConfigError: hri_msgs or tf2_msgs is not installed.
        """
        try:
            from hri_msgs import msg
        except ImportError as error:
            raise ConfigError(
                f"parameter 'publish_humans' needs hri_msgs ({error}): apt install "
                "ros-jazzy-hri-msgs"
            ) from error
        self._msg: Any = msg
        self._tf_kind = tf_message("publish_humans")
        self._node = node
        self._prefix = "".join(c for c in camera if c.isalnum() and c.isascii()) + "b"
        if self._prefix[0].isdigit():
            self._prefix = f"c{self._prefix}"
        self._tracked = node.create_publisher(msg.IdsList, f"{_BODIES}/tracked", outgoing())
        self._tf = node.create_publisher(self._tf_kind, "/tf", 100)
        self._bodies: dict[str, _Body] = {}

    def publish(
        self, header: Header, place: Header, width: int, height: int, result: PoseResult
    ) -> None:
        """Publishes the bodies in an image of that size; `place` is the header of positions."""
        poses = result.poses
        seen = np.flatnonzero((poses.track_ids >= 0) & (poses.track_states != TRACK_LOST))
        ids = {f"{self._prefix}{poses.track_ids[person]}": person for person in seen.tolist()}
        for gone in self._bodies.keys() - ids.keys():
            self._destroy(self._bodies.pop(gone))
        places = person_positions(poses)
        transforms = []
        for name, person in ids.items():
            body = self._bodies.get(name) or self._open(name)
            body.skeleton.publish(self._skeleton(header, poses, person, (width, height)))
            body.roi.publish(self._roi(header, poses, person, (width, height)))
            frames = body.model.publish(place, poses, person)
            if np.isfinite(places[person]).all():
                point = PointStamped(header=place)
                set_xyz(point.point, places[person])
                body.position.publish(point)
                transforms += frames or [frame_at(place, f"body_{name}", places[person])]
        self._tracked.publish(self._msg.IdsList(header=header, ids=list(ids)))
        if transforms and place.frame_id:
            self._tf.publish(self._tf_kind(transforms=transforms))

    def destroy(self) -> None:
        for body in self._bodies.values():
            self._destroy(body)
        self._bodies.clear()
        self._node.destroy_publisher(self._tracked)
        self._node.destroy_publisher(self._tf)

    def _open(self, name: str) -> _Body:
        msg, topic = self._msg, f"{_BODIES}/{name}"
        body = _Body(
            self._node.create_publisher(msg.Skeleton2D, f"{topic}/skeleton2d", outgoing()),
            self._node.create_publisher(
                msg.NormalizedRegionOfInterest2D, f"{topic}/roi", outgoing()
            ),
            self._node.create_publisher(PointStamped, f"{topic}/position", outgoing()),
            HumanBodyPublisher(self._node, topic, name),
        )
        self._bodies[name] = body
        return body

    def _destroy(self, body: _Body) -> None:
        for publisher in (body.skeleton, body.roi, body.position):
            self._node.destroy_publisher(publisher)
        body.model.destroy()

    def _skeleton(self, header: Header, poses: Poses, person: int, size: tuple[int, int]) -> Any:
        xy, scores = skeleton_points(
            poses.skeleton, poses.joints.xy[person], poses.joints.scores[person]
        )
        share = np.clip(np.nan_to_num(xy / size), 0.0, 1.0)
        kind = self._msg.NormalizedPointOfInterest2D
        points = [
            kind(x=float(x), y=float(y), c=float(c))
            for (x, y), c in zip(share.tolist(), scores.tolist(), strict=True)
        ]
        return self._msg.Skeleton2D(header=header, skeleton=points)

    def _roi(self, header: Header, poses: Poses, person: int, size: tuple[int, int]) -> Any:
        box = np.clip(np.nan_to_num(poses.boxes[person]) / (*size, *size), 0.0, 1.0).tolist()
        roi = self._msg.NormalizedRegionOfInterest2D(header=header)
        roi.xmin, roi.ymin, roi.xmax, roi.ymax = box
        roi.c = min(max(float(poses.scores[person]), 0.0), 1.0)
        return roi


def skeleton_points(
    skeleton: Skeleton, xy: AnyArray, scores: AnyArray
) -> tuple[AnyArray, AnyArray]:
    """The 18 points of Skeleton2D: px (18, 2) and scores (18,), 0 where there is no such joint.

    Args:
        skeleton: names the joints.
        xy: (k, 2) px of one person's joints.
        scores: (k,) theirs.
    """
    names = {name: index for index, name in enumerate(skeleton.joints)}
    points, certain = np.zeros((len(_ORDER), 2)), np.zeros(len(_ORDER))
    for place, name in enumerate(_ORDER):
        if name in names and np.isfinite(xy[names[name]]).all():
            points[place], certain[place] = xy[names[name]], min(scores[names[name]], 1.0)
    sides = [_ORDER.index("left_shoulder"), _ORDER.index("right_shoulder")]
    if certain[sides].all():
        points[_NECK], certain[_NECK] = points[sides].mean(axis=0), certain[sides].min()
    return points, certain
