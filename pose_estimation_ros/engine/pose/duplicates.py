"""Duplicate suppression: of people whose poses are alike, the one with the highest score stays.

The detector's own suppression compares boxes. Somebody in two boxes that overlap too little for
it, say of the whole body and of a half, has the same pose in both.
"""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.arrays import BoolArray, FloatArray
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.oks import AREA_OF_BOX, oks
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.skeletons import Skeleton

_SAME_PERSON_OKS = 0.5
_VISIBLE_SCORE = 0.1
_MIN_JOINTS = 3  # visible in both
_TOUCHING_IOU = 0.1  # below it nobody is compared


def keep_distinct(
    joints: JointEstimates, boxes: FloatArray, scores: FloatArray, skeleton: Skeleton
) -> BoolArray:
    """Mask (n,) of the persons that stay, from their boxes (n, 4) px and scores (n,).

    The similarity is COCO's OKS over the joints visible in both, on the scale of the smaller box.
    """
    keep = np.ones(len(boxes), bool)
    pairs = np.argwhere(np.triu(box_iou(boxes, boxes), 1) >= _TOUCHING_IOU)
    if len(pairs) == 0:
        return keep
    visible = joints.scores >= _VISIBLE_SCORE
    areas = AREA_OF_BOX * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    # From the best pair on, so that who is suppressed suppresses nobody.
    best = np.maximum(scores[pairs[:, 0]], scores[pairs[:, 1]])
    for first, second in pairs[np.argsort(-best, kind="stable")].tolist():
        common = visible[first] & visible[second]
        if not (keep[first] and keep[second]) or common.sum() < _MIN_JOINTS:
            continue
        area = min(areas[first], areas[second])
        alike = oks(joints.xy[first], joints.xy[second], common, area, skeleton.sigmas)
        if alike >= _SAME_PERSON_OKS:
            keep[first if scores[first] < scores[second] else second] = False
    return keep
