"""From the raw outputs of detectors to boxes in canvas pixels and person scores.

Each function reads the outputs for one canvas of (height, width) px. `classes` are the numbers of
the classes that are persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, RealArray

STRIDES = (8, 16, 32)
_UNIT_AT_MOST = 2  # px or canvases; nobody who is found is within 2 px of the canvas's corner
_LARGEST_LOG_SIZE = 10.0  # a size beyond e^10 cells is noise and would overflow

Outputs = Sequence[AnyArray]
Classes = Sequence[int]


class RawDetections(NamedTuple):
    """Boxes (a, 4), x1 y1 x2 y2 in canvas pixels, and scores (a,) of a person.

    Before non-maximum suppression; a model may give anything, NaN included.
    """

    boxes: RealArray
    scores: RealArray


def count_cells(height: int, width: int, strides: Sequence[int] = STRIDES) -> int:
    """How many cells the grids of a canvas have together."""
    return sum((height // stride) * (width // stride) for stride in strides)


def _corners(centre: RealArray, size: RealArray) -> RealArray:
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def _in_pixels(boxes: RealArray, height: int, width: int, unit: bool) -> RealArray:
    return boxes * np.array([width, height] * 2, np.float32) if unit else boxes


def _selected_in_pixels(boxes: RealArray, height: int, width: int) -> RealArray:
    """Boxes after NMS: in pixels, or, where all are within 2 px, in parts of the canvas."""
    unit = bool(np.abs(boxes).max(initial=0.0) <= _UNIT_AT_MOST)
    return _in_pixels(boxes, height, width, unit)


def decode_yolov8(
    outputs: Outputs, height: int, width: int, classes: Classes = (0,), unit: bool = False
) -> RawDetections:
    """YOLOv8 and v11: (1, 4 + classes, a); centre and size, scores already in [0, 1].

    In pixels, or with `unit` in parts of the canvas, as in ultralytics' TFLite exports.
    """
    raw = outputs[0][0]
    boxes = _in_pixels(_corners(raw[:2].T, raw[2:4].T), height, width, unit)
    return RawDetections(boxes, raw[[4 + kind for kind in classes]].max(axis=0))


def decode_yolov8_rows(
    outputs: Outputs, height: int, width: int, classes: Classes = (0,), unit: bool = False
) -> RawDetections:
    """As YOLOv8, but a row a cell: (1, a, 4 + classes)."""
    return decode_yolov8([outputs[0].transpose(0, 2, 1)], height, width, classes, unit)


def decode_yolov5(
    outputs: Outputs, height: int, width: int, classes: Classes = (0,), unit: bool = False
) -> RawDetections:
    """YOLOv5, and YOLOv6 and YOLOX decoded in their graphs: (1, a, 5 + classes).

    Centre and size in pixels (with `unit` in parts of the canvas), objectness, class scores.
    """
    raw = outputs[0][0]
    boxes = _in_pixels(_corners(raw[:, :2], raw[:, 2:4]), height, width, unit)
    return RawDetections(boxes, raw[:, 4] * raw[:, [5 + kind for kind in classes]].max(axis=1))


def decode_yolox(
    outputs: Outputs,
    height: int,
    width: int,
    classes: Classes = (0,),
    strides: Sequence[int] = STRIDES,
) -> RawDetections:
    """YOLOX: as YOLOv5, but centre in cells from the cell's corner and size as exp(cells).

    Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", section 2.1.
    """
    raw = outputs[0][0]
    corners, steps = [], []
    for stride in strides:
        rows, columns = height // stride, width // stride
        y, x = np.mgrid[:rows, :columns]
        corners.append(np.stack([x.ravel(), y.ravel()], axis=1))
        steps.append(np.full((rows * columns, 1), stride))
    stride_of = np.concatenate(steps).astype(np.float32)
    centre = (raw[:, :2] + np.concatenate(corners)) * stride_of
    size = np.exp(np.minimum(raw[:, 2:4], _LARGEST_LOG_SIZE)) * stride_of
    scores = raw[:, 4] * raw[:, [5 + kind for kind in classes]].max(axis=1)
    return RawDetections(_corners(centre, size), scores)


def decode_selected(
    outputs: Outputs, height: int, width: int, classes: Classes = (0,)
) -> RawDetections:
    """Exports with NMS in the graph: (1, a, 6) of x1 y1 x2 y2, score, class."""
    raw = outputs[0][0]
    raw = raw[np.isin(raw[:, 5], classes)]
    return RawDetections(_selected_in_pixels(raw[:, :4], height, width), raw[:, 4])


def decode_paddle(
    outputs: Outputs, height: int, width: int, classes: Classes = (0,)
) -> RawDetections:
    """PaddleDetection with NMS in the graph: (a, 6) of class, score, x1 y1 x2 y2."""
    raw = next(output for output in outputs if output.ndim == 2 and output.shape[1] == 6)
    raw = raw[np.isin(raw[:, 0], classes)]
    return RawDetections(_selected_in_pixels(raw[:, 2:], height, width), raw[:, 1])


def decode_labelled(
    outputs: Outputs, height: int, width: int, classes: Classes = (0,)
) -> RawDetections:
    """MMDeploy with NMS in the graph: (1, a, 5) of x1 y1 x2 y2, score, and labels (1, a)."""
    raw, labels = outputs if outputs[0].ndim == 3 else outputs[::-1]
    raw = raw[0][np.isin(labels[0], classes)]
    return RawDetections(_selected_in_pixels(raw[:, :4], height, width), raw[:, 4])


def decode_pair(
    outputs: Outputs, height: int, width: int, classes: Classes = (0,)
) -> RawDetections:
    """One-class models with two outputs: boxes (1, a, 4) and scores (1, a)."""
    boxes, scores = outputs if outputs[0].shape[-1] == 4 else outputs[::-1]
    return RawDetections(_selected_in_pixels(boxes[0], height, width), scores.reshape(-1))
