"""From the raw outputs of YOLO-like models to boxes in canvas pixels and person scores.

A decoder takes the outputs for a batch of one and the canvas size (height, width), and gives
boxes (a, 4) x1 y1 x2 y2 in canvas pixels and scores (a,) of class 0, person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.errors import ModelError

Decoder = Callable[[Sequence[AnyArray], int, int], tuple[AnyArray, AnyArray]]

STRIDES = (8, 16, 32)


def _cells(height: int, width: int) -> int:
    return sum((height // stride) * (width // stride) for stride in STRIDES)


def _corners(centre: AnyArray, size: AnyArray) -> AnyArray:
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def decode_yolov8(outputs: Sequence[AnyArray], height: int, width: int) -> tuple:
    """YOLOv8 and v11: (1, 4 + classes, a); centre and size in pixels, scores already in [0, 1]."""
    raw = outputs[0][0]
    return _corners(raw[:2].T, raw[2:4].T), raw[4]


def decode_yolov8_unit(outputs: Sequence[AnyArray], height: int, width: int) -> tuple:
    """The same from ultralytics' TFLite exports: centre and size in parts of the canvas."""
    boxes, scores = decode_yolov8(outputs, height, width)
    return boxes * np.array([width, height] * 2, np.float32), scores


def decode_yolov5(outputs: Sequence[AnyArray], height: int, width: int) -> tuple:
    """YOLOv5: (1, a, 5 + classes); centre and size in pixels, objectness, class scores."""
    raw = outputs[0][0]
    return _corners(raw[:, :2], raw[:, 2:4]), raw[:, 4] * raw[:, 5]


def decode_yolox(outputs: Sequence[AnyArray], height: int, width: int) -> tuple:
    """YOLOX: as YOLOv5, but centre in cells from the cell's corner and size as exp(cells).

    Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", section 2.1.
    """
    raw = outputs[0][0]
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        y, x = np.mgrid[:rows, :columns]
        corners.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full((rows * columns, 1), stride))
    stride_of = np.concatenate(strides).astype(np.float32)
    centre = (raw[:, :2] + np.concatenate(corners)) * stride_of
    # A size beyond e^10 cells is noise; without the bound it would overflow.
    size = np.exp(np.minimum(raw[:, 2:4], 10.0)) * stride_of
    return _corners(centre, size), raw[:, 4] * raw[:, 5]


def decode_yolox_px(outputs: Sequence[AnyArray], height: int, width: int) -> tuple:
    """YOLOX exported with its decoding in the graph: as YOLOv5."""
    return decode_yolov5(outputs, height, width)


def decode_selected(outputs: Sequence[AnyArray], height: int, width: int) -> tuple:
    """Exports with NMS in the graph: (1, a, 6) of x1 y1 x2 y2, score, class."""
    raw = outputs[0][0]
    raw = raw[raw[:, 5] == 0]
    return raw[:, :4], raw[:, 4]


def decode_labelled(outputs: Sequence[AnyArray], height: int, width: int) -> tuple:
    """The same with the class apart, as YOLOX from MMDeploy.

    (1, a, 5) of x1 y1 x2 y2, score, and labels (1, a).
    """
    raw, labels = outputs if outputs[0].ndim == 3 else outputs[::-1]
    raw = raw[0][labels[0] == 0]
    return raw[:, :4], raw[:, 4]


def decode_pair(outputs: Sequence[AnyArray], height: int, width: int) -> tuple:
    """One-class models with two outputs: boxes (1, a, 4) in pixels and scores (1, a)."""
    boxes, scores = outputs if outputs[0].shape[-1] == 4 else outputs[::-1]
    return boxes[0], scores.reshape(-1)


def choose_decoder(outputs: Sequence[AnyArray], height: int, width: int, source: str) -> Decoder:
    """The decoder that fits these outputs for a grey canvas of that size.

    By their shapes; where exports of one shape differ in their unit, by their values too.

    Raises:
        ModelError: none does; `source` names the model in the message.
    """
    shapes = [tuple(output.shape) for output in outputs]
    if len(shapes) == 2:
        decoder = _of_two(shapes)
        if decoder is not None:
            return decoder
    if len(shapes) >= 1 and len(shapes[0]) == 3:
        decoder = _of_one(outputs[0], height, width)
        if decoder is not None:
            return decoder
    raise ModelError(
        f"{source} has outputs of shapes {[list(shape) for shape in shapes]} for a canvas of "
        f"{width}x{height}: not a person detector of a known kind (YOLOv5, v8, v11, YOLOX, or "
        "boxes (1, a, 4) with scores (1, a))"
    )


def _of_two(shapes: Sequence[tuple[int, ...]]) -> Decoder | None:
    for boxes, other in (shapes, shapes[::-1]):
        if len(boxes) == 3 and boxes[2] == 4 and int(np.prod(other)) == boxes[1]:
            return decode_pair
        if len(boxes) == 3 and boxes[2] == 5 and other == boxes[:2]:
            return decode_labelled
    return None


def _of_one(output: AnyArray, height: int, width: int) -> Decoder | None:
    cells = _cells(height, width)
    _, rows, columns = output.shape
    if columns == 6 and rows not in (cells, 3 * cells):
        return decode_selected
    if columns == cells and rows >= 5:
        # Of the cells' boxes those at the far edge are centred well beyond two pixels.
        unit = np.abs(output[0, :2]).max() <= 2
        return decode_yolov8_unit if unit else decode_yolov8
    if rows == cells and columns >= 6:
        # Offsets from the cells' corners are within a few cells; centres span the canvas.
        decoded = np.abs(output[0, :, :2]).max() > max(height, width) / 2
        return decode_yolox_px if decoded else decode_yolox
    if rows == 3 * cells and columns >= 6:
        return decode_yolov5
    return None
