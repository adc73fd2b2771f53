"""Boxes as arrays: overlap and non-maximum suppression."""

from __future__ import annotations

import numpy as np


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box of a (n, 4) with every box of b (m, 4), xyxy; (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    return shared / np.maximum(area_a[:, None] + area_b[None] - shared, 1e-9)


def nms(boxes: np.ndarray, scores: np.ndarray, iou: float) -> np.ndarray:
    """Indices that greedy non-maximum suppression keeps, best first."""
    order = np.argsort(-scores)
    kept = []
    while len(order):
        kept.append(order[0])
        rest = order[1:]
        order = rest[box_iou(boxes[order[:1]], boxes[rest])[0] <= iou]
    return np.asarray(kept, int)
