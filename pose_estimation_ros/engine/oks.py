"""Object keypoint similarity (OKS): how alike two poses are, on the scale of COCO's annotators.

Source: the COCO keypoint evaluation, https://cocodataset.org/#keypoints-eval
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# Deviations of COCO's annotators, in the order of COCO's 17 joints.
COCO_SIGMAS = np.array(
    [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87,
     0.89, 0.89]
) / 10  # fmt: skip
# Share of a person's box that the person covers, used where no mask gives the area.
AREA_OF_BOX = 0.53


def oks(
    predicted: Array, truth: Array, visible: Array, area_px: Array | float,
    sigmas: Array = COCO_SIGMAS,
) -> Array:  # fmt: skip
    """Object keypoint similarity.

    Args:
        predicted: (..., joints, 2) px.
        truth: (..., joints, 2) px.
        visible: (..., joints), above 0 where the joint is annotated.
        area_px: (...) area of the person in square px.
        sigmas: (joints,) deviations of the annotators, as a share of the person's size.

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
    similarity = np.exp(-squared / (2 * area * (2 * sigmas) ** 2 + np.spacing(1)))
    count = counted.sum(-1)
    return np.where(counted, similarity, 0).sum(-1) / np.maximum(count, 1)
