"""From the engine's results to messages."""

from __future__ import annotations

import numpy as np
from std_msgs.msg import Header

from pose_estimation_ros.engine.poses import JointEstimates, Poses
from pose_estimation_ros.engine.skeletons import Skeleton, skeleton_named
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.msg import Keypoint, PersonPose, PoseArray


class PoseArrayBuilder:
    """Builds the PoseArrays of one camera, reusing its message objects.

    A message is valid until the next call of `build`.
    """

    def __init__(self) -> None:
        self._message = PoseArray()
        self._persons: list[PersonPose] = []
        self._skeleton: Skeleton | None = None

    def build(self, header: Header, width: int, height: int, result: PoseResult) -> PoseArray:
        """Fills everything except times and counters."""
        skeleton = result.poses.skeleton
        message = self._message
        if skeleton is not self._skeleton:
            self._skeleton = skeleton
            self._persons = []
            message.skeleton = skeleton.name
            message.keypoint_names = list(skeleton.joints)
            message.bones = np.array(skeleton.bones, np.uint16).ravel().tolist()
        message.header = header
        message.pipeline = result.pipeline
        message.image_width, message.image_height = width, height
        count = len(result.poses)
        while len(self._persons) < count:
            self._persons.append(PersonPose(keypoints=[Keypoint() for _ in skeleton.joints]))
        message.poses = self._persons[:count]
        self._fill(result, width, height)
        return message

    def _fill(self, result: PoseResult, width: int, height: int) -> None:
        poses = result.poses
        limit = np.array([width, height, width, height])
        inner = np.clip(np.nan_to_num(poses.boxes), 0, limit)
        # The message has no place for a negative size: one person must not cost all the others.
        corners = np.concatenate([np.floor(inner[:, :2]), np.ceil(inner[:, 2:])], axis=1)
        corners[:, 2:] = np.maximum(corners[:, :2], corners[:, 2:])
        boxes = corners.astype(int).tolist()
        scores, ids = poses.scores.tolist(), poses.track_ids.tolist()
        states, sources = poses.track_states.tolist(), poses.depth_sources.tolist()
        xy, joint_scores = poses.joints.xy.tolist(), poses.joints.scores.tolist()
        positions = poses.positions_m.tolist()
        for index, person in enumerate(self._message.poses):
            x1, y1, x2, y2 = boxes[index]
            person.track_id, person.track_state = ids[index], states[index]
            person.score, person.depth_source = scores[index], sources[index]
            box = person.box
            box.x_offset, box.y_offset = x1, y1
            box.width, box.height = x2 - x1, y2 - y1
            for keypoint, (x, y), score, (px, py, pz) in zip(
                person.keypoints,
                xy[index],
                joint_scores[index],
                positions[index],
                strict=True,
            ):
                keypoint.x, keypoint.y, keypoint.score = x, y, min(max(score, 0.0), 1.0)
                point = keypoint.position
                point.x, point.y, point.z = px, py, pz


def poses_of(message: PoseArray) -> PoseResult:
    """Converts a received message back to the engine's types, without times."""
    persons = message.poses
    shape = (len(persons), len(message.keypoint_names))
    keypoints = [keypoint for person in persons for keypoint in person.keypoints]
    flat = [(k.x, k.y, k.score, k.position.x, k.position.y, k.position.z) for k in keypoints]
    values = np.array(flat, np.float32).reshape(*shape, 6)
    boxes = [
        (b.x_offset, b.y_offset, b.x_offset + b.width, b.y_offset + b.height)
        for b in (person.box for person in persons)
    ]
    unknown = np.full(shape, np.nan, np.float32)
    return PoseResult(
        Poses(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.array([person.score for person in persons], np.float32),
            joints=JointEstimates(values[..., :2], values[..., 2], unknown),
            positions_m=values[..., 3:],
            track_ids=np.array([person.track_id for person in persons], np.int32),
            track_states=np.array([person.track_state for person in persons], np.int32),
            depth_sources=np.array([person.depth_source for person in persons], np.int32),
            skeleton=skeleton_named(message.skeleton),
        ),
        message.pipeline,
    )
