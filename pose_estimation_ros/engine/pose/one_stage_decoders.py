"""From the raw outputs of one-stage pose models to people in canvas pixels.

Each function reads the outputs for one canvas of (height, width) px.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, RealArray

Outputs = Sequence[AnyArray]
UNIT_AT_MOST = 2  # canvases; nobody who is found is within 2 px of the canvas's corner


class Layout(NamedTuple):
    """A row of a YOLO pose model: `classes` scores, then `joints` of `values` numbers each.

    Of the classes, `persons` are persons. A joint is x, y, or x, y, score.
    """

    joints: int
    values: int = 3
    classes: int = 1
    persons: tuple[int, ...] = (0,)

    @property
    def width(self) -> int:
        """Numbers of the classes and joints together."""
        return self.classes + self.joints * self.values


class RawPeople(NamedTuple):
    """Boxes (a, 4), x1 y1 x2 y2 in canvas pixels, scores (a,), and what reads the joints.

    `joints_of` takes indices (n,) and gives (n, k, 3): x, y in canvas pixels, score. Before
    non-maximum suppression there are thousands of cells, of which only few are read.
    """

    boxes: RealArray
    scores: RealArray
    joints_of: Callable[[AnyArray], RealArray]


def _pixels_per_unit(values: AnyArray, height: int, width: int) -> AnyArray:
    """What makes canvas pixels of coordinates: 1, or the canvas's size where all are parts of it.

    Ultralytics' TFLite exports and MoveNet give parts, whatever is found.
    """
    unit = bool(np.abs(values).max(initial=0.0) <= UNIT_AT_MOST)
    return np.array([width, height] if unit else [1, 1], np.float32)


def _corners(centre: AnyArray, size: AnyArray) -> RealArray:
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def _joints(rows: AnyArray, values: int, scale: AnyArray) -> RealArray:
    """Joints (n, k, 3) of rows (n, k x values); a model without scores is sure of every joint."""
    joints = rows.reshape(len(rows), rows.shape[1] // values, values).astype(np.float32)
    scores = joints[..., 2:3] if values == 3 else np.ones_like(joints[..., :1])
    return np.concatenate([joints[..., :2] * scale, scores], axis=2)


def decode_cells(
    outputs: Outputs, height: int, width: int, layout: Layout, rows: bool = False
) -> RawPeople:
    """YOLOv8-pose and YOLO11-pose: (1, 4 + classes + joints, cells); with `rows`, transposed.

    Centre and size, class scores, joints; pixels, or parts of the canvas.
    """
    raw = outputs[0][0] if rows else outputs[0][0].T
    scale = _pixels_per_unit(raw[:, :2], height, width)
    boxes = _corners(raw[:, :2] * scale, raw[:, 2:4] * scale)
    scores = raw[:, [4 + number for number in layout.persons]].max(axis=1)
    first = 4 + layout.classes
    return RawPeople(boxes, scores, lambda of: _joints(raw[of][:, first:], layout.values, scale))


def decode_anchors(outputs: Outputs, height: int, width: int, layout: Layout) -> RawPeople:
    """YOLOv7-pose: (1, anchors, 5 + classes + joints); as YOLOv5, with the joints at the end."""
    raw = outputs[0][0]
    scale = _pixels_per_unit(raw[:, :2], height, width)
    boxes = _corners(raw[:, :2] * scale, raw[:, 2:4] * scale)
    scores = raw[:, 4] * raw[:, [5 + number for number in layout.persons]].max(axis=1)
    first = 5 + layout.classes
    return RawPeople(boxes, scores, lambda of: _joints(raw[of][:, first:], layout.values, scale))


def decode_selected(outputs: Outputs, height: int, width: int, layout: Layout) -> RawPeople:
    """YOLO26-pose and exports with NMS in the graph: (1, n, 6 + joints).

    x1 y1 x2 y2, score, class, joints. Rows without a person have scores of 0.
    """
    raw = outputs[0][0]
    raw = raw[np.isin(raw[:, 5], layout.persons)]
    scale = _pixels_per_unit(raw[:, :4], height, width)
    boxes = raw[:, :4] * np.tile(scale, 2)
    return RawPeople(boxes, raw[:, 4], lambda of: _joints(raw[of][:, 6:], layout.values, scale))


def decode_boxes_and_joints(outputs: Outputs, height: int, width: int) -> RawPeople:
    """RTMO, YOLOX-Pose by MMDeploy: boxes with scores (1, n, 5), joints (1, n, k, 3)."""
    boxes, joints = outputs if outputs[0].ndim == 3 else outputs[::-1]
    return RawPeople(boxes[0, :, :4], boxes[0, :, 4], lambda of: joints[0, of].astype(np.float32))


def decode_counted(outputs: Outputs, height: int, width: int) -> RawPeople:
    """YOLO-NAS-Pose, "batch": a count (1, 1), and as many of the following hold somebody.

    Boxes (1, n, 4), scores (1, n), joints (1, n, k, 3).
    """
    count = int(next(one for one in outputs if one.ndim == 2 and one.dtype.kind in "iu")[0, 0])
    boxes = next(one for one in outputs if one.ndim == 3)[0, :count]
    scores = next(one for one in outputs if one.ndim == 2 and one.dtype.kind == "f")[0, :count]
    joints = next(one for one in outputs if one.ndim == 4)[0, :count]
    return RawPeople(boxes, scores, lambda of: joints[of].astype(np.float32))


def decode_flat(outputs: Outputs, height: int, width: int) -> RawPeople:
    """YOLO-NAS-Pose, "flat": (n, 6 + joints) of image number, x1 y1 x2 y2, score, joints."""
    raw = outputs[0]
    scale = np.ones(2, np.float32)
    return RawPeople(raw[:, 1:5], raw[:, 5], lambda of: _joints(raw[of][:, 6:], 3, scale))


def decode_movenet_multipose(outputs: Outputs, height: int, width: int) -> RawPeople:
    """MoveNet MultiPose: (1, 6, 3 joints + 5) of y, x, score each, then y1 x1 y2 x2, score.

    All in parts of the canvas.
    """
    raw = outputs[0][0]
    scale = np.array([width, height], np.float32)
    boxes = raw[:, [-4, -5, -2, -3]] * np.tile(scale, 2)

    def joints_of(of: AnyArray) -> RealArray:
        joints = raw[of][:, :-5].reshape(len(of), (raw.shape[1] - 5) // 3, 3)
        return np.concatenate([joints[..., 1::-1] * scale, joints[..., 2:]], axis=2)

    return RawPeople(boxes, raw[:, -1], joints_of)
