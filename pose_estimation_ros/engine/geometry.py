"""Letterboxes, crop transforms and overlap of boxes.

All transforms act on continuous pixel coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray, FloatArray

Anchor = Literal["center", "top_left", "stretch"]
LETTERBOX_GREY = 114


@dataclass(frozen=True, slots=True)
class LetterboxTransform:
    """How image pixels became canvas pixels: canvas = image * scale + offset, per axis."""

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def to_image(self, boxes: AnyArray, width: int, height: int) -> FloatArray:
        """Canvas boxes (n, 4) as boxes of the image, clipped to its width and height."""
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        limit = np.array([width, height] * 2, np.float32)
        return np.clip((boxes - offset) / scale, 0.0, limit).astype(np.float32, copy=False)

    def to_canvas(self, boxes: AnyArray) -> FloatArray:
        """Image boxes (n, 4) as boxes of the canvas."""
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        return (boxes * scale + offset).astype(np.float32, copy=False)


class Letterbox:
    """Fits images onto a canvas of fixed size, keeping their proportions, on a grey ground.

    With anchor "stretch" the image fills the canvas and loses its proportions. The canvas is
    reused from call to call.
    """

    def __init__(self, height: int, width: int, anchor: Anchor = "center") -> None:
        self.canvas: ByteArray = np.full((height, width, 3), LETTERBOX_GREY, np.uint8)
        self.anchor = anchor
        self._filled: tuple[int, int, int, int] | None = None

    def apply(self, pixels: ByteArray) -> LetterboxTransform:
        """Draws (height, width, 3) pixels onto the canvas."""
        canvas_height, canvas_width = self.canvas.shape[:2]
        height, width = pixels.shape[:2]
        if self.anchor == "stretch":
            new_width, new_height = canvas_width, canvas_height
        else:
            ratio = min(canvas_width / width, canvas_height / height)
            new_width = max(1, round(width * ratio))
            new_height = max(1, round(height * ratio))
        left = (canvas_width - new_width) // 2 if self.anchor == "center" else 0
        top = (canvas_height - new_height) // 2 if self.anchor == "center" else 0
        area = (left, top, new_width, new_height)
        if self._filled != area:
            self.canvas[:] = LETTERBOX_GREY
            self._filled = area
        target = self.canvas[top : top + new_height, left : left + new_width]
        cv2.resize(pixels, (new_width, new_height), dst=target, interpolation=cv2.INTER_LINEAR)
        # The scale after rounding, so that boxes come back exactly.
        return LetterboxTransform(new_width / width, new_height / height, left, top)


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
