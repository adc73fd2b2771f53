"""Every kind of detector output is recognised and gives the person."""

from __future__ import annotations

import numpy as np
import pytest

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.detection.decoders import STRIDES, choose_detector_head
from pose_estimation_ros.engine.detection.suppression import suppress
from pose_estimation_ros.engine.preprocessing import IMAGENET, RAW_BGR, UNIT, Normalisation
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import DetectorOptions

SIDE = 320
UINT8 = np.dtype(np.uint8)
CELLS = sum((SIDE // stride) ** 2 for stride in STRIDES)
PERSON = np.array([100.0, 60.0, 180.0, 300.0], np.float32)  # x1 y1 x2 y2, canvas px
CENTRE, SIZE = (PERSON[:2] + PERSON[2:]) / 2, PERSON[2:] - PERSON[:2]


def anchors() -> tuple[np.ndarray, np.ndarray]:
    """Corners of the cells and strides, in YOLOX's order."""
    corners, strides = [], []
    for stride in STRIDES:
        side = SIDE // stride
        y, x = np.mgrid[:side, :side]
        corners.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full(side * side, stride))
    return np.concatenate(corners), np.concatenate(strides)


def v8(unit: bool = False) -> list[AnyArray]:
    raw = np.zeros((1, 84, CELLS), np.float32)
    corners, strides = anchors()
    raw[0, :2] = ((corners + 0.5) * strides[:, None]).T
    raw[0, 2:4] = 10
    raw[0, :2, 700], raw[0, 2:4, 700], raw[0, 4, 700] = CENTRE, SIZE, 0.9
    raw[0, :2, 800], raw[0, 2:4, 800], raw[0, 20, 800] = CENTRE, SIZE, 0.95  # another class
    if unit:
        raw[0, :4] /= SIDE
    return [raw]


def v5() -> list[AnyArray]:
    raw = np.zeros((1, 3 * CELLS, 85), np.float32)
    raw[0, 50, :4], raw[0, 50, 4:6] = [*CENTRE, *SIZE], (0.95, 0.95)
    return [raw]


def yolox(decoded: bool = False) -> list[AnyArray]:
    corners, strides = anchors()
    raw = np.zeros((1, CELLS, 85), np.float32)
    cell = 1700
    raw[0, cell, :2] = CENTRE / strides[cell] - corners[cell]
    raw[0, cell, 2:4] = np.log(SIZE / strides[cell])
    if decoded:
        raw[0, :, :2] = (raw[0, :, :2] + corners) * strides[:, None]
        raw[0, :, 2:4] = np.exp(raw[0, :, 2:4]) * strides[:, None]
    raw[0, cell, 4:6] = (0.95, 0.95)
    return [raw]


def selected() -> list[AnyArray]:
    raw = np.zeros((1, 300, 6), np.float32)
    raw[0, 0] = [*PERSON, 0.9, 0]
    raw[0, 1] = [10, 10, 50, 50, 0.99, 16]
    return [raw]


def labelled() -> list[AnyArray]:
    boxes = np.array([[[*PERSON, 0.9], [10, 10, 50, 50, 0.99]]], np.float32)
    return [boxes, np.array([[0, 16]], np.int64)]


def pair() -> list[AnyArray]:
    boxes = np.zeros((1, CELLS, 4), np.float32)
    scores = np.zeros((1, CELLS), np.float32)
    boxes[0, 5], scores[0, 5] = PERSON, 0.9
    return [boxes, scores]


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [
        (v8(), "yolov8"),
        (v8(unit=True), "yolov8 in parts of the canvas"),
        (v5(), "yolov5"),
        (yolox(), "yolox"),
        (yolox(decoded=True), "yolox, decoded"),
        (selected(), "after NMS"),
        (labelled(), "yolox after NMS"),
        (labelled()[::-1], "yolox after NMS"),
        (pair(), "boxes and scores"),
        (pair()[::-1], "boxes and scores"),
    ],
)
def test_each_kind_is_recognised_and_gives_the_person(outputs: list[AnyArray], kind: str) -> None:
    head = choose_detector_head(outputs, SIDE, SIDE, UINT8, "the model")
    assert head.name == kind
    boxes, scores = suppress(*head.decode(outputs, SIDE, SIDE), DetectorOptions(0.3))
    assert len(boxes) == 1, "only the person, not the other class"
    np.testing.assert_allclose(boxes[0], PERSON, atol=0.01)
    assert scores[0] == pytest.approx(0.9, abs=0.003)


@pytest.mark.parametrize("shape", [(1, 1000), (1, 17, 64, 48), (1, 84, 77)])
def test_outputs_of_something_else_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="not a person detector of a known kind"):
        choose_detector_head([np.zeros(shape, np.float32)], SIDE, SIDE, UINT8, "the model")


@pytest.mark.parametrize(
    ("outputs", "dtype", "norm", "anchor"),
    [
        (v8(), np.float32, UNIT, "center"),
        (yolox(), np.float32, RAW_BGR, "top_left"),
        (yolox(decoded=True), np.float32, RAW_BGR, "top_left"),
        (labelled(), np.float32, RAW_BGR, "top_left"),
        (pair(), np.uint8, UNIT, "center"),
        (pair(), np.float32, IMAGENET, "stretch"),  # PicoDet
    ],
)
def test_each_kind_gets_its_image_as_it_was_trained(
    outputs: list[AnyArray], dtype: type, norm: Normalisation, anchor: str
) -> None:
    head = choose_detector_head(outputs, SIDE, SIDE, np.dtype(dtype), "the model")
    assert (head.norm, head.anchor) == (norm, anchor)
