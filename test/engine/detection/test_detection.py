"""Every kind of detector output is recognised, and boxes come back where they were."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.detection.decoders import STRIDES, choose_decoder
from pose_estimation_ros.engine.detection.detector import DetectorOptions
from pose_estimation_ros.engine.detection.yolo import YoloDetector, suppress
from pose_estimation_ros.engine.geometry import Letterbox
from pose_estimation_ros.engine.runtimes.runtime import TensorSpec
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError

SIDE = 320
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
        (v8(), "decode_yolov8"),
        (v8(unit=True), "decode_yolov8_unit"),
        (v5(), "decode_yolov5"),
        (yolox(), "decode_yolox"),
        (yolox(decoded=True), "decode_yolox_px"),
        (selected(), "decode_selected"),
        (labelled(), "decode_labelled"),
        (labelled()[::-1], "decode_labelled"),
        (pair(), "decode_pair"),
        (pair()[::-1], "decode_pair"),
    ],
)
def test_each_kind_is_recognised_and_gives_the_person(outputs: list[AnyArray], kind: str) -> None:
    decoder = choose_decoder(outputs, SIDE, SIDE, "the model")
    assert decoder.__name__ == kind
    boxes, scores = suppress(*decoder(outputs, SIDE, SIDE), DetectorOptions(0.3))
    assert len(boxes) == 1, "only the person, not the other class"
    np.testing.assert_allclose(boxes[0], PERSON, atol=0.01)
    assert scores[0] == pytest.approx(0.9, abs=0.003)


@pytest.mark.parametrize("shape", [(1, 1000), (1, 17, 64, 48), (1, 84, 77)])
def test_outputs_of_something_else_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="not a person detector of a known kind"):
        choose_decoder([np.zeros(shape, np.float32)], SIDE, SIDE, "the model")


SIZES = [(640, 480), (1920, 1080), (1080, 1920), (333, 77), (77, 333), (320, 320), (3840, 31)]


@pytest.mark.parametrize("anchor", ["center", "top_left", "stretch"])
@pytest.mark.parametrize("size", SIZES)
def test_a_box_survives_the_round_trip_through_the_letterbox(
    size: tuple[int, int], anchor: str
) -> None:
    width, height = size
    rng = np.random.default_rng(width)
    corners = rng.uniform(0, 1, (200, 2, 2)) * (width, height)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)
    letterbox = Letterbox(SIDE, SIDE, anchor)
    transform = letterbox.apply(np.zeros((height, width, 3), np.uint8))
    there = transform.to_canvas(boxes)
    assert there.min() >= -1e-3
    assert there.max() <= SIDE + 1e-3
    assert np.abs(transform.to_image(there, width, height) - boxes).max() < 1.0


class Bright:
    """A runtime whose one person is the box of the bright pixels of its input."""

    name, path = "fake", Path("bright.onnx")
    metadata: ClassVar[dict[str, str]] = {}
    outputs = ()

    def __init__(self, height: int | None, width: int | None) -> None:
        self.inputs = [TensorSpec("image", (None, height, width, 3), np.dtype(np.uint8))]
        self.seen: list[tuple[int, ...]] = []

    def run(self, images: AnyArray) -> list[AnyArray]:
        self.seen.append(images.shape)
        found = np.argwhere(images[0, ..., 0] > 200)
        box = np.zeros((1, 1, 4), np.float32)
        if len(found):
            (y1, x1), (y2, x2) = found.min(axis=0), found.max(axis=0) + 1
            box[0, 0] = [x1, y1, x2, y2]
        return [box, np.full((1, 1), 0.9, np.float32)]


@pytest.mark.parametrize("letterbox", [True, False])
@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (480, 800)])
def test_a_bright_person_is_found_where_it_is(size: tuple[int, int], letterbox: bool) -> None:
    width, height = size
    pixels = np.full((height, width, 3), 60, np.uint8)
    x1, y1, x2, y2 = width // 5, height // 4, width // 2, height - height // 10
    pixels[y1:y2, x1:x2] = 255
    detector = YoloDetector(Bright(SIDE, SIDE), letterbox)
    found = detector.detect(Image(pixels), DetectorOptions(), np.zeros((0, 4), np.float32))
    # A canvas pixel is up to this many image pixels, and the edges are blurred over two.
    pixel = max(width, height) / SIDE
    assert np.abs(found.boxes[0] - (x1, y1, x2, y2)).max() <= 1.5 * pixel


def test_a_free_input_size_gets_a_canvas_of_the_images_proportions() -> None:
    runtime = Bright(None, None)
    detector = YoloDetector(runtime, size=320)
    nothing = np.zeros((0, 4), np.float32)
    for width, height in ((1280, 720), (720, 1280), (640, 640)):
        detector.detect(Image(np.zeros((height, width, 3), np.uint8)), DetectorOptions(), nothing)
    assert [shape[1:3] for shape in runtime.seen[1:]] == [(192, 320), (320, 192), (320, 320)]


def test_overlapping_boxes_become_one_and_the_best_come_first() -> None:
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60], [1, 0, 11, 10]], np.float32)
    kept, scores = suppress(boxes, np.array([0.6, 0.9, 0.8], np.float32), DetectorOptions())
    np.testing.assert_array_equal(kept, boxes[[1, 2]])
    assert list(scores) == pytest.approx([0.9, 0.8])
    few = DetectorOptions(max_persons=1)
    assert len(suppress(boxes, np.array([0.6, 0.9, 0.8], np.float32), few)[0]) == 1
