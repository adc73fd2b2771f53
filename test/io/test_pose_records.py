"""Poses as lines of JSON, also those of joints that the model does not have."""

from __future__ import annotations

import json

import numpy as np

from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.engine.skeletons import COCO17, H36M17
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.io.pose_records import as_json, coco_rows, from_json


def test_unknown_joints_are_null_and_come_back() -> None:
    poses = Poses.without_joints(np.array([[1, 2, 3, 4]], np.float32), H36M17)
    poses.joints.xy[:], poses.joints.scores[:] = 5.0, 0.5
    result = PoseResult(poses.in_skeleton(COCO17), "v4")
    line = json.dumps(as_json(0, result, 0.0), allow_nan=False)
    joints = json.loads(line)["poses"][0]["keypoints"]
    assert joints[COCO17.index("nose")] == [None, None, 0.0]
    assert joints[COCO17.index("left_hip")] == [5.0, 5.0, 0.5]
    back = from_json(json.loads(line)).poses
    np.testing.assert_array_equal(back.joints.xy, result.poses.joints.xy)
    row = coco_rows(1, json.loads(line))[0]["keypoints"]
    assert row[:3] == [0.0, 0.0, 0.0] and row[-3:] == [5.0, 5.0, 0.5]
