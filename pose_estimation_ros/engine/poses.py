"""People with their joints: `Poses` is everyone in one image, `Person` one of them.

Boxes are (x1, y1, x2, y2) edges in pixels of the image they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias, overload

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, BoolArray, ByteArray, FloatArray, IntArray
from pose_estimation_ros.engine.drawing import draw_poses
from pose_estimation_ros.engine.skeletons import COCO17, Skeleton, common_joints

# What picks some of several persons: a slice, indices, or a mask.
Selection: TypeAlias = slice | AnyArray | list[int] | list[bool]

# Values of PersonPose.track_state and PersonPose.depth_source in the messages.
TRACK_NEW, TRACK_TRACKED, TRACK_LOST = 0, 1, 2
DEPTH_NONE, DEPTH_BOX, DEPTH_ROOTNET, DEPTH_DEPTH_IMAGE = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class JointEstimates:
    """What a pose model says of n persons with k joints.

    `xy` (n, k, 2) px of the whole image; `scores` (n, k) in [0, 1]; `z_m` (n, k) metres behind the
    root joint (positive is farther from the camera), NaN where the model does not estimate depth.
    Models that estimate whole bodies in metres give `offsets_m` (n, k, 3) from the root along the
    camera's axes besides, and those that align their crops `crops` (n, 4), in which they want to
    see these persons next: centre x, y and side in px, angle in rad; NaN where they do not know.
    """

    xy: FloatArray
    scores: FloatArray
    z_m: FloatArray
    offsets_m: FloatArray | None = None
    crops: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def empty(joints: int) -> JointEstimates:
        """Nobody, with that many joints."""
        return JointEstimates(
            np.zeros((0, joints, 2), np.float32),
            np.zeros((0, joints), np.float32),
            np.zeros((0, joints), np.float32),
        )

    @staticmethod
    def unknown(persons: int, joints: int) -> JointEstimates:
        """Persons of whom no joint is known: NaN, with scores of 0."""
        return JointEstimates(
            np.full((persons, joints, 2), np.nan, np.float32),
            np.zeros((persons, joints), np.float32),
            np.full((persons, joints), np.nan, np.float32),
        )

    def means(self, skeleton: Skeleton) -> FloatArray:
        """How sure each person is, (n,): the mean score of the joints that say so."""
        if len(self) == 0:
            return np.zeros(0, np.float32)
        return self.scores[:, skeleton.scored].mean(axis=1)

    def in_skeleton(self, source: Skeleton, target: Skeleton) -> JointEstimates:
        """The joints of another skeleton, (n, k): those of the same place, the others unknown."""
        known = JointEstimates.unknown(len(self), len(target.joints))
        taken, given = (list(joints) for joints in common_joints(source, target))
        known.xy[:, given] = self.xy[:, taken]
        known.scores[:, given] = self.scores[:, taken]
        known.z_m[:, given] = self.z_m[:, taken]
        return known

    def take(self, which: AnyArray | list[int]) -> JointEstimates:
        """The persons of these indices, or those of a mask (n,)."""
        return JointEstimates(
            self.xy[which],
            self.scores[which],
            self.z_m[which],
            None if self.offsets_m is None else self.offsets_m[which],
            None if self.crops is None else self.crops[which],
        )

    @staticmethod
    def concatenate(parts: Sequence[JointEstimates]) -> JointEstimates:
        """The persons of several estimates, in order."""
        parts = [part for part in parts if len(part)] or parts[:1]
        if len(parts) == 1:
            return parts[0]
        offsets_m = [part.offsets_m for part in parts if part.offsets_m is not None]
        crops = [part.crops for part in parts if part.crops is not None]
        return JointEstimates(
            np.concatenate([part.xy for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.z_m for part in parts]),
            np.concatenate(offsets_m) if len(offsets_m) == len(parts) else None,
            np.concatenate(crops) if len(crops) == len(parts) else None,
        )


class Joint(NamedTuple):
    """One joint in the image: px, and a score in [0, 1]."""

    x: float
    y: float
    score: float


@dataclass(frozen=True, slots=True)
class Person:
    """One person of `Poses`.

    `box` (4,) px; `score` in [0, 1]; `track_id` is -1 where untracked; `track_state` and
    `depth_source` are values of the messages' constants. Of the k joints, in the skeleton's order:
    `xy` (k, 2) px, `joint_scores` (k,), and `positions_m` (k, 3) metres in the camera's optical
    frame, NaN where unknown.
    """

    box: FloatArray
    score: float
    xy: FloatArray
    joint_scores: FloatArray
    positions_m: FloatArray
    track_id: int
    track_state: int
    depth_source: int
    skeleton: Skeleton

    def __getitem__(self, joint: str) -> Joint:
        """A joint by its name, such as person["left_wrist"].

        Raises:
            KeyError: the skeleton has no joint of that name.
        """
        index = self.skeleton.index(joint)
        x, y = self.xy[index].tolist()
        return Joint(x, y, float(self.joint_scores[index]))

    def position_m(self, joint: str) -> FloatArray:
        """Where a joint is, (3,) metres in the camera's optical frame; NaN where unknown.

        Raises:
            KeyError: the skeleton has no joint of that name.
        """
        return self.positions_m[self.skeleton.index(joint)]

    @property
    def lost(self) -> bool:
        """Whether the person is out of sight and only remembered by the tracker."""
        return self.track_state == TRACK_LOST


@dataclass(frozen=True, slots=True)
class Poses:
    """Everyone in one image: n persons with k joints.

    Iterate over it for `Person`s, index it with a number for one of them, or with a slice, a list
    of numbers or a mask (n,) for the `Poses` of some.

    `boxes` (n, 4) px; `scores` (n,); `joints` as estimated, perhaps smoothed; `positions_m`
    (n, k, 3) in the camera's optical frame, NaN where unknown; `track_ids` (n,), -1 where
    untracked; `track_states` (n,); `depth_sources` (n,).
    """

    boxes: FloatArray
    scores: FloatArray
    joints: JointEstimates
    positions_m: FloatArray
    track_ids: IntArray
    track_states: IntArray
    depth_sources: IntArray
    skeleton: Skeleton

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Person]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, which: int) -> Person: ...
    @overload
    def __getitem__(self, which: Selection) -> Poses: ...
    def __getitem__(self, which: int | Selection) -> Person | Poses:
        if isinstance(which, int | np.integer):
            return Person(
                self.boxes[which],
                float(self.scores[which]),
                self.joints.xy[which],
                self.joints.scores[which],
                self.positions_m[which],
                int(self.track_ids[which]),
                int(self.track_states[which]),
                int(self.depth_sources[which]),
                self.skeleton,
            )
        rows = np.arange(len(self))[which]
        return Poses(
            self.boxes[rows],
            self.scores[rows],
            self.joints.take(rows),
            self.positions_m[rows],
            self.track_ids[rows],
            self.track_states[rows],
            self.depth_sources[rows],
            self.skeleton,
        )

    @staticmethod
    def empty(skeleton: Skeleton = COCO17) -> Poses:
        """Nobody."""
        return Poses.without_joints(np.zeros((0, 4), np.float32), skeleton)

    @staticmethod
    def without_joints(
        boxes: FloatArray,
        skeleton: Skeleton,
        track_ids: IntArray | None = None,
        track_state: int = TRACK_NEW,
    ) -> Poses:
        """Persons of whom only the boxes (n, 4), and perhaps the tracks (n,), are known."""
        n, k = len(boxes), len(skeleton.joints)
        return Poses(
            boxes,
            np.zeros(n, np.float32),
            JointEstimates.unknown(n, k),
            np.full((n, k, 3), np.nan, np.float32),
            np.full(n, -1, np.int32) if track_ids is None else track_ids,
            np.full(n, track_state, np.int32),
            np.full(n, DEPTH_NONE, np.int32),
            skeleton,
        )

    @staticmethod
    def concatenate(parts: Sequence[Poses]) -> Poses:
        """The persons of several poses of one skeleton, in order.

        Raises:
            ValueError: there are no parts, or their skeletons differ.
        """
        names = {part.skeleton.name for part in parts}
        if len(names) != 1:
            raise ValueError(f"expected poses of one skeleton, got {sorted(names) or 'none'}")
        if len(parts) == 1:
            return parts[0]
        return Poses(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            JointEstimates.concatenate([part.joints for part in parts]),
            np.concatenate([part.positions_m for part in parts]),
            np.concatenate([part.track_ids for part in parts]),
            np.concatenate([part.track_states for part in parts]),
            np.concatenate([part.depth_sources for part in parts]),
            parts[0].skeleton,
        )

    @property
    def in_sight(self) -> BoolArray:
        """Mask (n,) of those that are seen in this image rather than lost."""
        return np.asarray(self.track_states != TRACK_LOST)

    @property
    def keypoints(self) -> FloatArray:
        """Joints as (n, k, 3): x px, y px, score."""
        return np.concatenate([self.joints.xy, self.joints.scores[..., None]], axis=-1)

    def in_skeleton(self, target: Skeleton) -> Poses:
        """The same persons with the joints of another skeleton.

        Joints that this one lacks are unknown: NaN, with scores of 0. The persons' scores stay.
        """
        if target is self.skeleton:
            return self
        taken, given = (list(joints) for joints in common_joints(self.skeleton, target))
        positions_m = np.full((len(self), len(target.joints), 3), np.nan, np.float32)
        positions_m[:, given] = self.positions_m[:, taken]
        joints = self.joints.in_skeleton(self.skeleton, target)
        return replace(self, joints=joints, positions_m=positions_m, skeleton=target)

    def with_track_ids(self, track_ids: IntArray) -> Poses:
        """The same persons under other identities (n,)."""
        return replace(self, track_ids=track_ids)

    def draw(self, image: ByteArray, min_joint_score: float = 0.2) -> ByteArray:
        """Draws everyone onto BGR pixels (height, width, 3), in place, and returns them."""
        draw_poses(image, self, min_joint_score)
        return image
