"""The families of pose models that are read, each as a file with people at known places.

docs/models.md has a row for each of them, by its name here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

CANVAS = 320  # px, side of the one-stage models' input
IMAGE = (480, 360)  # px, width and height
CELLS = 40 * 40 + 20 * 20 + 10 * 10

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Placed:
    """People in the image: boxes (n, 4) x1 y1 x2 y2, scores (n,), joints (n, k, 3)."""

    boxes: np.ndarray
    scores: np.ndarray
    joints: np.ndarray


@dataclass(frozen=True)
class Family:
    """How a family's exports are made.

    `write` makes the outputs of what lies on the canvas (one-stage) or in the crop (top-down).
    """

    input_shape: tuple[Any, ...]
    write: Callable[[Placed], Outputs]
    joints: int = 17
    skeleton: str = "coco17"
    dtype: str = "float32"
    anchor: str = ""  # of the canvas; empty: top-down
    metadata: dict[str, str] = field(default_factory=dict)
    scored: bool = True
    depth: bool = False

    @property
    def height(self) -> int:
        return next(s for s in self.input_shape[1:] if s != 3)

    @property
    def width(self) -> int:
        return [s for s in self.input_shape[1:] if s != 3][1]


def people(joints: int, count: int = 3) -> Placed:
    """So many people side by side in the image, the left one the surest."""
    rng = np.random.default_rng(joints)
    boxes = np.array(
        [[20 + 150 * i, 40 + 10 * i, 130 + 150 * i, 330] for i in range(count)], float
    )
    parts = rng.uniform(0.1, 0.9, (count, joints, 2))
    xy = boxes[:, None, :2] + parts * (boxes[:, None, 2:] - boxes[:, None, :2])
    sure = rng.uniform(0.5, 0.9, (count, joints, 1))
    return Placed(boxes, np.linspace(0.9, 0.7, count), np.concatenate([xy, sure], axis=2))


def on_canvas(placed: Placed, anchor: str) -> Placed:
    """The people where a letterbox of that anchor puts them."""
    width, height = IMAGE
    ratio = CANVAS / max(width, height)
    left = (CANVAS - width * ratio) / 2 if anchor == "center" else 0.0
    top = (CANVAS - height * ratio) / 2 if anchor == "center" else 0.0
    shift = np.array([left, top])
    joints = placed.joints.copy()
    joints[..., :2] = joints[..., :2] * ratio + shift
    return Placed(placed.boxes * ratio + np.tile(shift, 2), placed.scores, joints)


def _centre_and_size(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def _cells(count: int, columns: int) -> np.ndarray:
    """Cells in which nobody is, as a network gives them: places all over, scores near 0."""
    rows = np.random.default_rng(1).uniform(0, CANVAS, (count, columns)).astype(np.float32)
    rows[:, 4:] = 0.001
    return rows


def _yolov8(placed: Placed, values: int = 3, classes: int = 1, unit: bool = False) -> np.ndarray:
    rows = _cells(CELLS, 4 + classes + placed.joints.shape[1] * values)
    for person, row in enumerate(range(100, 100 + 37 * len(placed.boxes), 37)):
        rows[row, :4] = _centre_and_size(placed.boxes)[person]
        rows[row, 4] = placed.scores[person]
        rows[row, 4 + classes :] = placed.joints[person, :, :values].ravel()
        rows[row + 1] = rows[row]  # a neighbour that sees the same person
        rows[row + 1, 4] *= 0.9
    if unit:
        rows[:, :4] /= CANVAS
        for first in range(4 + classes, rows.shape[1], values):
            rows[:, first : first + 2] /= CANVAS
    return rows.T[None]


def _yolov7(placed: Placed) -> Outputs:
    rows = _cells(3 * CELLS, 57)
    for person, row in enumerate(range(100, 100 + 37 * len(placed.boxes), 37)):
        rows[row, :4] = _centre_and_size(placed.boxes)[person]
        rows[row, 4:6] = placed.scores[person] / 0.95, 0.95
        rows[row, 6:] = placed.joints[person].ravel()
    return {"output": rows[None]}


def _selected(placed: Placed) -> Outputs:
    rows = np.zeros((1, 300, 57), np.float32)
    n = len(placed.boxes)
    joints = placed.joints.reshape(n, -1)
    number = np.zeros(n)
    rows[0, :n] = np.column_stack([placed.boxes, placed.scores, number, joints])
    return {"output0": rows}


def _rtmo(placed: Placed) -> Outputs:
    boxes = np.column_stack([placed.boxes, placed.scores]).astype(np.float32)
    return {"dets": boxes[None], "keypoints": placed.joints.astype(np.float32)[None]}


def _nas_batch(placed: Placed) -> Outputs:
    n, k = placed.joints.shape[:2]
    boxes, scores = np.full((1, 50, 4), 9, np.float32), np.full((1, 50), 0.8, np.float32)
    joints = np.full((1, 50, k, 3), 9, np.float32)
    boxes[0, :n], scores[0, :n], joints[0, :n] = placed.boxes, placed.scores, placed.joints
    count = np.array([[n]], np.int64)
    return {"count": count, "pred_boxes": boxes, "pred_scores": scores, "pred_joints": joints}


def _nas_flat(placed: Placed) -> Outputs:
    n = len(placed.boxes)
    joints = placed.joints.reshape(n, -1)
    rows = np.column_stack([np.zeros(n), placed.boxes, placed.scores, joints])
    return {"graph2_flat_predictions": rows.astype(np.float32)}


def _multipose(placed: Placed) -> Outputs:
    n = len(placed.boxes)
    rows = np.zeros((1, 6, 56), np.float32)
    joints = placed.joints[..., [1, 0, 2]] / [CANVAS, CANVAS, 1]
    boxes = placed.boxes[:, [1, 0, 3, 2]] / CANVAS
    rows[0, :n] = np.column_stack([joints.reshape(n, -1), boxes, placed.scores])
    return {"output_0": rows}


def _bell(length: int, place: float, deviation: float) -> np.ndarray:
    return np.exp(-((np.arange(length) - place) ** 2) / (2 * deviation**2))


def _simcc(height: int, width: int, y_first: bool = False) -> Callable[[Placed], Outputs]:
    def write(placed: Placed) -> Outputs:
        (joints,) = placed.joints
        along_x = [score * _bell(2 * width, 2 * x, 6) for x, _, score in joints]
        along_y = [score * _bell(2 * height, 2 * y, 6) for _, y, score in joints]
        x, y = (np.array([rows], np.float32) for rows in (along_x, along_y))
        return {"simcc_y": y, "simcc_x": x} if y_first else {"simcc_x": x, "simcc_y": y}

    return write


def _heatmaps(height: int, width: int, channels_last: bool = False) -> Callable[[Placed], Outputs]:
    def write(placed: Placed) -> Outputs:
        maps = np.array(
            [
                score * np.outer(_bell(height // 4, y / 4, 2), _bell(width // 4, x / 4, 2))
                for x, y, score in placed.joints[0]
            ],
            np.float32,
        )[None]
        return {"heatmaps": maps.transpose(0, 2, 3, 1).copy() if channels_last else maps}

    return write


def _movenet(placed: Placed) -> Outputs:
    joints = placed.joints[..., [1, 0, 2]] / [192, 192, 1]
    return {"output_0": joints[None].astype(np.float32)}


def _points(placed: Placed) -> Outputs:
    return {"keypoints": placed.joints.astype(np.float32)}


def _own(placed: Placed) -> Outputs:
    joints = placed.joints.astype(np.float32).copy()
    scores = joints[..., 2].copy()
    joints[..., 2] = 0.25
    return {"joints": joints, "scores": scores}


def _convnextpose_cells(placed: Placed) -> Outputs:
    cells = placed.joints.astype(np.float32) / 8
    cells[..., 2] = 20.0  # of 32: a quarter of a metre behind the root
    return {"joints": cells}


def _convnextpose_volumes(placed: Placed) -> Outputs:
    volumes = np.zeros((1, placed.joints.shape[1], 32, 32, 32), np.float32)
    grid = np.stack(np.meshgrid(*(np.arange(32),) * 3, indexing="ij"), axis=-1)
    for joint, (x, y, _) in enumerate(placed.joints[0]):
        volumes[0, joint] = -((grid - [20, y / 8, x / 8]) ** 2).sum(axis=-1)
    return {"volumes": volumes}


_ULTRALYTICS = {"kpt_shape": "[17, 3]", "names": "{0: 'person'}", "task": "pose"}
_CHW, _HWC = (1, 3, CANVAS, CANVAS), (1, CANVAS, CANVAS, 3)
_CROP, _LARGE = ("n", 3, 256, 192), ("n", 3, 384, 288)

_convnextpose = partial(
    Family, ("n", 3, 256, 256), joints=18, skeleton="h36m18", scored=False, depth=True
)

FAMILIES: dict[str, Family] = {
    "yolov8_pose": Family(_CHW, lambda p: {"output0": _yolov8(p)}, anchor="center"),
    "yolov8_pose, a row a cell": Family(
        _CHW, lambda p: {"output0": _yolov8(p).transpose(0, 2, 1).copy()}, anchor="center"
    ),
    "yolov8_pose, parts of the canvas": Family(
        _HWC, lambda p: {"output0": _yolov8(p, unit=True)}, anchor="center", metadata=_ULTRALYTICS
    ),
    "yolov8_pose, joints without scores": Family(
        _CHW,
        lambda p: {"output0": _yolov8(p, values=2)},
        anchor="center",
        metadata=_ULTRALYTICS | {"kpt_shape": "[17, 2]"},
        scored=False,
    ),
    "yolov8_pose, several classes": Family(
        _CHW,
        lambda p: {"output0": _yolov8(p, classes=3)},
        anchor="center",
        metadata=_ULTRALYTICS | {"names": "{0: 'person', 1: 'dog', 2: 'cat'}"},
    ),
    "yolov7_pose": Family(_CHW, _yolov7, anchor="center"),
    "pose_nms": Family(_CHW, _selected, anchor="center", metadata=_ULTRALYTICS),
    "rtmo": Family(_CHW, _rtmo, anchor="top_left"),
    "rtmo, CrowdPose": Family(
        _CHW,
        _rtmo,
        joints=14,
        skeleton="crowdpose14",
        anchor="top_left",
        metadata={"skeleton": "crowdpose14"},
    ),
    "yolo_nas_pose": Family(_CHW, _nas_batch, anchor="top_left", dtype="uint8"),
    "yolo_nas_pose_flat": Family(_CHW, _nas_flat, anchor="top_left", dtype="uint8"),
    "movenet_multipose": Family(_HWC, _multipose, anchor="center", dtype="int32"),
    "simcc": Family(_CROP, _simcc(256, 192)),
    "simcc, y first": Family(_CROP, _simcc(256, 192, y_first=True)),
    "simcc, Halpe-26": Family(_CROP, _simcc(256, 192), joints=26, skeleton="halpe26"),
    "simcc, whole body": Family(
        _LARGE, _simcc(384, 288), joints=133, skeleton="coco_wholebody133"
    ),
    "heatmaps": Family(_CROP, _heatmaps(256, 192)),
    "heatmaps, channels last": Family((1, 256, 192, 3), _heatmaps(256, 192, channels_last=True)),
    "heatmaps, MPII": Family(
        ("n", 3, 256, 256), _heatmaps(256, 256), joints=16, skeleton="mpii16"
    ),
    "heatmaps, Body-25": Family(_CROP, _heatmaps(256, 192), joints=25, skeleton="body25"),
    "movenet": Family((1, 192, 192, 3), _movenet, dtype="int32"),
    "points": Family(_CROP, _points),
    "joints": Family(("n", 192, 192, 3), _own, dtype="uint8", depth=True),
    "cells": _convnextpose(_convnextpose_cells),
    "volumes": _convnextpose(_convnextpose_volumes),
}
