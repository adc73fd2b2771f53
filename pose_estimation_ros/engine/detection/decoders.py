"""From the raw outputs of detectors to boxes in canvas pixels and person scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, RealArray
from pose_estimation_ros.engine.letterbox import Anchor
from pose_estimation_ros.engine.preprocessing import IMAGENET, RAW_BGR, UNIT, Normalisation
from pose_estimation_ros.errors import ModelError

STRIDES = (8, 16, 32)
_LARGEST_LOG_SIZE = 10.0  # a size beyond e^10 cells is noise and would overflow


class RawDetections(NamedTuple):
    """Boxes (a, 4), x1 y1 x2 y2 in canvas pixels, and scores (a,) of class 0, person.

    Before non-maximum suppression; a model may give anything, NaN included.
    """

    boxes: RealArray
    scores: RealArray


class DetectorDecoder(Protocol):
    """Reads the outputs of one kind of detector."""

    def __call__(self, outputs: Sequence[AnyArray], height: int, width: int) -> RawDetections:
        """The detections in the outputs for one canvas of (height, width) px."""
        ...


@dataclass(frozen=True, slots=True)
class DetectorHead:
    """What the outputs of a detector mean, and how its family is trained: its files do not say."""

    name: str
    decode: DetectorDecoder
    norm: Normalisation = UNIT
    anchor: Anchor = "center"


def _cells(height: int, width: int) -> int:
    return sum((height // stride) * (width // stride) for stride in STRIDES)


def _corners(centre: RealArray, size: RealArray) -> RealArray:
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def decode_yolov8(outputs: Sequence[AnyArray], height: int, width: int) -> RawDetections:
    """YOLOv8 and v11: (1, 4 + classes, a); centre and size in pixels, scores already in [0, 1]."""
    raw = outputs[0][0]
    return RawDetections(_corners(raw[:2].T, raw[2:4].T), raw[4])


def decode_yolov8_unit(outputs: Sequence[AnyArray], height: int, width: int) -> RawDetections:
    """The same from ultralytics' TFLite exports: centre and size in parts of the canvas."""
    boxes, scores = decode_yolov8(outputs, height, width)
    return RawDetections(boxes * np.array([width, height] * 2, np.float32), scores)


def decode_yolov5(outputs: Sequence[AnyArray], height: int, width: int) -> RawDetections:
    """YOLOv5: (1, a, 5 + classes); centre and size in pixels, objectness, class scores."""
    raw = outputs[0][0]
    return RawDetections(_corners(raw[:, :2], raw[:, 2:4]), raw[:, 4] * raw[:, 5])


def decode_yolox(outputs: Sequence[AnyArray], height: int, width: int) -> RawDetections:
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
    size = np.exp(np.minimum(raw[:, 2:4], _LARGEST_LOG_SIZE)) * stride_of
    return RawDetections(_corners(centre, size), raw[:, 4] * raw[:, 5])


def decode_yolox_px(outputs: Sequence[AnyArray], height: int, width: int) -> RawDetections:
    """YOLOX exported with its decoding in the graph: as YOLOv5."""
    return decode_yolov5(outputs, height, width)


def decode_selected(outputs: Sequence[AnyArray], height: int, width: int) -> RawDetections:
    """Exports with NMS in the graph: (1, a, 6) of x1 y1 x2 y2, score, class."""
    raw = outputs[0][0]
    raw = raw[raw[:, 5] == 0]
    return RawDetections(raw[:, :4], raw[:, 4])


def decode_labelled(outputs: Sequence[AnyArray], height: int, width: int) -> RawDetections:
    """The same with the class apart, as YOLOX from MMDeploy.

    (1, a, 5) of x1 y1 x2 y2, score, and labels (1, a).
    """
    raw, labels = outputs if outputs[0].ndim == 3 else outputs[::-1]
    raw = raw[0][labels[0] == 0]
    return RawDetections(raw[:, :4], raw[:, 4])


def decode_pair(outputs: Sequence[AnyArray], height: int, width: int) -> RawDetections:
    """One-class models with two outputs: boxes (1, a, 4) in pixels and scores (1, a)."""
    boxes, scores = outputs if outputs[0].shape[-1] == 4 else outputs[::-1]
    return RawDetections(boxes[0], scores.reshape(-1))


_YOLOV8 = DetectorHead("yolov8", decode_yolov8)
_YOLOV8_UNIT = DetectorHead("yolov8 in parts of the canvas", decode_yolov8_unit)
_YOLOV5 = DetectorHead("yolov5", decode_yolov5)
_YOLOX = DetectorHead("yolox", decode_yolox, RAW_BGR, "top_left")
_YOLOX_DECODED = DetectorHead("yolox, decoded", decode_yolox_px, RAW_BGR, "top_left")
_SELECTED = DetectorHead("after NMS", decode_selected)
_LABELLED = DetectorHead("yolox after NMS", decode_labelled, RAW_BGR, "top_left")
_PAIR = DetectorHead("boxes and scores", decode_pair)
_PICODET = DetectorHead("picodet", decode_pair, IMAGENET, "stretch")


def choose_detector_head(
    outputs: Sequence[AnyArray], height: int, width: int, input_dtype: np.dtype, source: str
) -> DetectorHead:
    """What these outputs for a grey canvas of (height, width) px mean.

    By their shapes; where exports of one shape differ in their unit, by their values too.

    Raises:
        ModelError: no known kind has such outputs; `source` names the model in the message.
    """
    shapes = [tuple(output.shape) for output in outputs]
    if len(shapes) == 2:
        head = _head_of_two(shapes, input_dtype)
        if head is not None:
            return head
    if len(shapes) >= 1 and len(shapes[0]) == 3:
        head = _head_of_one(outputs[0], height, width)
        if head is not None:
            return head
    raise ModelError(
        f"{source} has outputs of shapes {[list(shape) for shape in shapes]} for a canvas of "
        f"{width}x{height}: not a person detector of a known kind (YOLOv5, v8, v11, YOLOX, or "
        "boxes (1, a, 4) with scores (1, a))"
    )


def _head_of_two(shapes: Sequence[tuple[int, ...]], input_dtype: np.dtype) -> DetectorHead | None:
    for boxes, other in (shapes, shapes[::-1]):
        if len(boxes) == 3 and boxes[2] == 4 and int(np.prod(other)) == boxes[1]:
            return _PAIR if input_dtype == np.uint8 else _PICODET
        if len(boxes) == 3 and boxes[2] == 5 and other == boxes[:2]:
            return _LABELLED
    return None


def _head_of_one(output: AnyArray, height: int, width: int) -> DetectorHead | None:
    cells = _cells(height, width)
    _, rows, columns = output.shape
    if columns == 6 and rows not in (cells, 3 * cells):
        return _SELECTED
    if columns == cells and rows >= 5:
        # Of the cells' boxes those at the far edge are centred well beyond two pixels.
        unit = np.abs(output[0, :2]).max() <= 2
        return _YOLOV8_UNIT if unit else _YOLOV8
    if rows == cells and columns >= 6:
        # Offsets from the cells' corners are within a few cells; centres span the canvas.
        decoded = np.abs(output[0, :, :2]).max() > max(height, width) / 2
        return _YOLOX_DECODED if decoded else _YOLOX
    if rows == 3 * cells and columns >= 6:
        return _YOLOV5
    return None
