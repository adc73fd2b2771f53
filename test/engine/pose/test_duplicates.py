"""Somebody in two boxes is one person; two who are close are two."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.pose.duplicates import keep_distinct
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.skeletons import COCO17

RNG = np.random.default_rng(2)
BODY = RNG.uniform((20, 20), (120, 280), (17, 2))


def _persons(*offsets: float, visible: int = 17) -> tuple[JointEstimates, np.ndarray]:
    """The same body at several places along x, in boxes of 140x300 px."""
    xy = np.stack([BODY + np.array([offset, 0.0]) for offset in offsets]).astype(np.float32)
    scores = np.where(np.arange(17) < visible, 0.6, 0.0)
    boxes = np.array([(x, 0, x + 140, 300) for x in offsets], np.float32)
    n = len(offsets)
    joints = JointEstimates(xy, np.tile(scores, (n, 1)).astype(np.float32), np.zeros((n, 17)))
    return joints, boxes


def test_of_two_poses_of_one_person_the_better_one_stays() -> None:
    joints, boxes = _persons(0, 4, 300)
    boxes[1, 3] = 150  # half of the body: the boxes alone are not alike
    for scores, expected in (([0.4, 0.3, 0.5], [True, False, True]), ([0.3, 0.4, 0.5], [0, 1, 1])):
        kept = keep_distinct(joints, boxes, np.array(scores, np.float32), COCO17)
        assert kept.tolist() == [bool(value) for value in expected]


def test_neighbours_stay() -> None:
    joints, boxes = _persons(0, 60)
    assert keep_distinct(joints, boxes, np.array([0.5, 0.4], np.float32), COCO17).all()


def test_who_is_suppressed_suppresses_nobody() -> None:
    """A chain of poses, each like the next: the first and the last are different people."""
    joints, boxes = _persons(0, 18, 36)
    kept = keep_distinct(joints, boxes, np.array([0.6, 0.5, 0.4], np.float32), COCO17)
    assert kept.tolist() == [True, False, True]


def test_too_few_common_joints_tell_nothing() -> None:
    joints, boxes = _persons(0, 0, visible=2)
    assert keep_distinct(joints, boxes, np.array([0.5, 0.4], np.float32), COCO17).all()
    nobody = JointEstimates.empty(17)
    assert (
        len(keep_distinct(nobody, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), COCO17))
        == 0
    )
