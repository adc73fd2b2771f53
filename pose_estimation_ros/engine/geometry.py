"""Crop transforms and overlap of boxes.

All transforms act on continuous pixel coordinates.
"""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray


def crop_boxes(boxes: AnyArray, aspect: float, enlarge: float) -> FloatArray:
    """Boxes (n, 4) grown around their centres to width / height = aspect, then enlarged.

    The convention of the top-down pose models: nothing of the box is cut off.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    width = np.maximum(size[:, 0], size[:, 1] * aspect)
    half = np.stack([width, width / aspect], axis=1) * (enlarge / 2)
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32, copy=False)


def crop_affine(box: AnyArray, height: int, width: int) -> AnyArray:
    """The (2, 3) transform of an image onto a crop of that size that shows the box (4,)."""
    scale_x = width / float(box[2] - box[0])
    scale_y = height / float(box[3] - box[1])
    return np.array(
        [[scale_x, 0.0, -float(box[0]) * scale_x], [0.0, scale_y, -float(box[1]) * scale_y]]
    )


def crop_to_image(xy: AnyArray, boxes: AnyArray, height: int, width: int) -> FloatArray:
    """Crop pixels (n, k, 2) as image pixels, for crops that show the boxes (n, 4)."""
    scale = (boxes[:, 2:] - boxes[:, :2]) / np.array([width, height], np.float32)
    image = xy * scale[:, None] + boxes[:, None, :2]
    return image.astype(np.float32, copy=False)


def box_iou(boxes: AnyArray, others: AnyArray) -> FloatArray:
    """Intersection over union of every box (n, 4) with every other (m, 4): (n, m)."""
    top_left = np.maximum(boxes[:, None, :2], others[None, :, :2])
    bottom_right = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    inner = np.clip(bottom_right - top_left, 0.0, None).prod(axis=2)
    area = np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None).prod(axis=1)
    other_area = np.clip(others[:, 2:] - others[:, :2], 0.0, None).prod(axis=1)
    union = area[:, None] + other_area[None] - inner
    return (inner / np.maximum(union, 1e-9)).astype(np.float32, copy=False)
