"""Non-maximum suppression: of boxes that overlap, the one with the highest score stays."""

from __future__ import annotations

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.settings import DetectorOptions

# That are compared with each other, those with the highest scores. A large person has hundreds of
# them, so the limit of the persons must not be applied to them.
_MOST_BOXES = 30_000
_MOST_SCORE = 1.01  # rounding and int8 carry some beyond 1


def are_scores(scores: AnyArray) -> bool:
    """Whether the scores of boxes that stay are from 0 to 1, unlike percent or logits."""
    return bool(
        scores.min(initial=0.0) >= 1 - _MOST_SCORE and scores.max(initial=0.0) <= _MOST_SCORE
    )


def suppress(
    boxes: AnyArray, scores: AnyArray, options: DetectorOptions
) -> tuple[FloatArray, FloatArray]:
    """The boxes (n, 4), x1 y1 x2 y2, and scores (n,) that stay, best first, however many.

    Boxes without an inside do not: nobody is in them.
    Scores that are not numbers stay too, so that the caller can refuse them.
    """
    stay = staying(boxes, scores, options.confidence_threshold, options.iou_threshold)
    return boxes[stay].astype(np.float32), scores[stay].astype(np.float32)


def staying(
    boxes: AnyArray, scores: AnyArray, least_score: float, most_overlap: float
) -> AnyArray:
    """As `suppress`, the indices of those that stay."""
    # A comparison with NaN is false: `>=` would drop NaN scores, as if the image were empty.
    empty = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    keep = np.flatnonzero(~(scores < least_score) & ~empty)
    if len(keep) > _MOST_BOXES:
        keep = keep[np.argpartition(-scores[keep], _MOST_BOXES)[:_MOST_BOXES]]
    chosen = boxes[keep].astype(np.float32)
    confidence = scores[keep].astype(np.float32)
    if len(keep) == 0 or not np.isfinite(confidence).all():
        return keep
    corner_size = np.concatenate([chosen[:, :2], chosen[:, 2:] - chosen[:, :2]], axis=1)
    stay = cv2.dnn.NMSBoxes(corner_size.tolist(), confidence.tolist(), 0.0, most_overlap)
    return keep[np.asarray(stay, np.int64).reshape(-1)]
