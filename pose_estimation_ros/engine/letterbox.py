"""Letterboxing: an image fitted onto a detector's canvas, and boxes mapped between the two.

Boxes are x1 y1 x2 y2 in continuous pixel coordinates.
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
    """From image to canvas pixels: canvas = image * scale + offset, per axis."""

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

    def points_to_image(self, xy: AnyArray) -> FloatArray:
        """Canvas points (..., 2) as points of the image; they may lie outside it."""
        scale = np.array([self.scale_x, self.scale_y], np.float32)
        offset = np.array([self.offset_x, self.offset_y], np.float32)
        return ((xy - offset) / scale).astype(np.float32, copy=False)

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
