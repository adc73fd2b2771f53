"""Object keypoint similarity (OKS): how alike two poses are, on the scale of COCO's annotators.

Source: the COCO keypoint evaluation, https://cocodataset.org/#keypoints-eval
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_estimation_ros.engine.skeletons import COCO17

Array = NDArray[np.floating[Any]]

# Share of a person's box that the person covers, used where no mask gives the area.
AREA_OF_BOX = 0.53


def oks(
    predicted: Array, truth: Array, visible: Array, area_px: Array | float,
    sigmas: Sequence[float] = COCO17.sigmas,
) -> Array:  # fmt: skip
    """Object keypoint similarity.

    Args:
        predicted: (..., joints, 2) px.
        truth: (..., joints, 2) px.
        visible: (..., joints), above 0 where the joint is annotated.
        area_px: (...) area of the person in square px.
        sigmas: of the skeleton, one a joint.

    Returns:
        (...) in [0, 1]; 0 where no joint is annotated.

    Raises:
        ValueError: the numbers of joints differ.
    """
    predicted, truth = np.asarray(predicted, float), np.asarray(truth, float)
    counted = np.asarray(visible) > 0
    if not predicted.shape[-2] == truth.shape[-2] == counted.shape[-1] == len(sigmas):
        raise ValueError(
            f"joints differ: {predicted.shape[-2]} predicted, {truth.shape[-2]} annotated,"
            f" {len(sigmas)} sigmas"
        )
    squared = ((predicted[..., :2] - truth[..., :2]) ** 2).sum(-1)
    area = np.asarray(area_px, float)[..., None]
    similarity = np.exp(-squared / (2 * area * (2 * np.asarray(sigmas)) ** 2 + np.spacing(1)))
    count = counted.sum(-1)
    return np.where(counted, similarity, 0).sum(-1) / np.maximum(count, 1)
