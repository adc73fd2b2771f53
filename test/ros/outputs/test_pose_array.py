"""Results to messages and back."""

from __future__ import annotations

import numpy as np
from std_msgs.msg import Header

from pose_estimation_ros.engine.poses import DEPTH_BOX, JointEstimates, Poses
from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.ros.outputs.pose_array import PoseArrayBuilder, poses_of


def _result(persons: int, seed: int = 0) -> PoseResult:
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 400, (persons, 17, 2)).astype(np.float32)
    scores = rng.uniform(0, 1, (persons, 17)).astype(np.float32)
    positions = rng.normal(0, 2, (persons, 17, 3)).astype(np.float32)
    positions[:, 3] = np.nan
    corner = rng.integers(0, 200, (persons, 2)).astype(np.float32)
    return PoseResult(
        Poses(
            boxes=np.concatenate([corner, corner + 100], axis=1),
            scores=rng.uniform(0, 1, persons).astype(np.float32),
            joints=JointEstimates(xy, scores, np.zeros((persons, 17), np.float32)),
            positions_m=positions,
            track_ids=np.arange(persons, dtype=np.int32) + 5,
            track_states=np.ones(persons, np.int32),
            depth_sources=np.full(persons, DEPTH_BOX, np.int32),
            skeleton=COCO17,
        ),
        "v4",
    )


def test_a_result_survives_the_message() -> None:
    builder = PoseArrayBuilder()
    for persons in (3, 0, 18, 1):  # the builder's objects are used again
        result = _result(persons, seed=persons)
        message = builder.build(Header(frame_id="cam"), 640, 480, result)
        assert message.header.frame_id == "cam"
        assert (message.image_width, message.image_height) == (640, 480)
        assert list(message.keypoint_names) == list(COCO17.joints)
        assert np.array(message.bones).reshape(-1, 2).tolist() == [list(b) for b in COCO17.bones]
        back = poses_of(message)
        np.testing.assert_allclose(back.poses.joints.xy, result.poses.joints.xy)
        np.testing.assert_allclose(back.poses.joints.scores, result.poses.joints.scores)
        np.testing.assert_allclose(back.poses.positions_m, result.poses.positions_m, rtol=1e-6)
        np.testing.assert_array_equal(back.poses.boxes, result.poses.boxes)
        np.testing.assert_array_equal(back.poses.track_ids, result.poses.track_ids)
        np.testing.assert_array_equal(back.poses.depth_sources, result.poses.depth_sources)


def test_boxes_are_clipped_to_the_image() -> None:
    result = _result(1)
    result.poses.boxes[0] = (-50.5, -20, 700, 470.2)
    box = PoseArrayBuilder().build(Header(), 640, 480, result).poses[0].box
    assert (box.x_offset, box.y_offset, box.width, box.height) == (0, 0, 640, 471)


def test_a_box_without_an_inside_does_not_cost_the_others_their_message() -> None:
    result = _result(3)
    result.poses.boxes[:] = [(50, 60, 40, 20), (np.nan, 0, np.inf, 10), (10, 20, 30, 60)]
    boxes = [person.box for person in PoseArrayBuilder().build(Header(), 640, 480, result).poses]
    assert len(boxes) == 3 and (boxes[0].width, boxes[0].height) == (0, 0)
    assert (boxes[2].x_offset, boxes[2].y_offset, boxes[2].width) == (10, 20, 20)
