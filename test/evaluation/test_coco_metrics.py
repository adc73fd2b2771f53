"""Which joints are compared with COCO's."""

from __future__ import annotations

import numpy as np
import pytest

from pose_estimation_ros.engine.poses import JointEstimates, Poses
from pose_estimation_ros.engine.skeletons import COCO17, H36M17, HALPE26, MUCO21, Skeleton
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.evaluation.coco_metrics import joints_of_coco


def _poses(skeleton: Skeleton, n: int = 2) -> Poses:
    k = len(skeleton.joints)
    xy = np.arange(n * k * 2, dtype=np.float32).reshape(n, k, 2)
    scores = np.full((n, k), 0.5, np.float32)
    joints = JointEstimates(xy, scores, np.zeros((n, k), np.float32))
    ids = np.arange(n, dtype=np.int32)
    nowhere = np.full((n, k, 3), np.nan, np.float32)
    boxes = np.zeros((n, 4), np.float32)
    return Poses(boxes, np.ones(n, np.float32), joints, nowhere, ids, ids, ids, skeleton)


@pytest.mark.parametrize("n", [0, 2])
def test_a_model_that_has_cocos_joints_is_measured_by_their_names(n: int) -> None:
    np.testing.assert_array_equal(joints_of_coco(_poses(COCO17, n)), _poses(COCO17, n).keypoints)
    poses = _poses(HALPE26, n)
    found = joints_of_coco(poses)
    assert found.shape == (n, 17, 3)
    for index, name in enumerate(COCO17.joints):
        np.testing.assert_array_equal(
            found[:, index], poses.keypoints[:, HALPE26.index(name)], err_msg=name
        )


@pytest.mark.parametrize("skeleton", [MUCO21, H36M17])
def test_a_model_that_lacks_some_is_not_measured(skeleton: Skeleton) -> None:
    with pytest.raises(ModelError, match=rf"estimates {skeleton.name}.*has no nose"):
        joints_of_coco(_poses(skeleton, 0))
    # Published as COCO's joints, those that it lacks have no place.
    with pytest.raises(ModelError, match=r"estimates others.*has no nose"):
        joints_of_coco(_poses(skeleton).in_skeleton(COCO17))
