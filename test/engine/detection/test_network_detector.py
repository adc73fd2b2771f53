"""A detector finds a person where it is, in images of any size."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.runtimes.runtime import TensorSpec
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import DetectorOptions

SIDE = 320


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
    detector = NetworkDetector(Bright(SIDE, SIDE), letterbox)
    found = detector.detect(Image(pixels), DetectorOptions(), np.zeros((0, 4), np.float32))
    # A canvas pixel is up to this many image pixels, and the edges are blurred over two.
    pixel = max(width, height) / SIDE
    assert np.abs(found.boxes[0] - (x1, y1, x2, y2)).max() <= 1.5 * pixel


def test_a_free_input_size_gets_a_canvas_of_the_images_proportions() -> None:
    runtime = Bright(None, None)
    detector = NetworkDetector(runtime, size=320)
    nothing = np.zeros((0, 4), np.float32)
    for width, height in ((1280, 720), (720, 1280), (640, 640)):
        detector.detect(Image(np.zeros((height, width, 3), np.uint8)), DetectorOptions(), nothing)
    assert [shape[1:3] for shape in runtime.seen[1:]] == [(192, 320), (320, 192), (320, 320)]


class OfAFamily(Bright):
    """Finds the bright pixels only where it gets them as its family is trained."""

    def __init__(self, family: str) -> None:
        super().__init__(SIDE, SIDE)
        self.inputs = [TensorSpec("image", (1, 3, SIDE, SIDE), np.dtype(np.float32))]
        self.family, self.calls = family, 0

    def run(self, images: AnyArray) -> list[AnyArray]:
        self.calls += 1
        raw = float(images.max()) > 10  # 0..255, or some deviations from the mean
        pixels = images[0, 0] if raw else images[0, 0] * 57 + 104
        (box,), scores = super().run(pixels[None, ..., None])
        right = raw == (self.family == "yolox_nms")
        found = np.concatenate([box, scores.T * (0.9 if right else 0.02)], axis=1)
        return [found[None].astype(np.float32), np.zeros((1, 1), np.int64)]


@pytest.mark.parametrize("family", ["yolox_nms", "rtmdet"])
def test_two_readings_are_tried_until_an_image_shows_which_it_is(family: str) -> None:
    runtime = OfAFamily(family)
    detector = NetworkDetector(runtime)
    nothing = np.zeros((0, 4), np.float32)
    empty = Image(np.zeros((240, 320, 3), np.uint8))
    person = Image(empty.pixels.copy())
    person.pixels[50:200, 100:150] = 255
    for _ in range(2):
        detector.detect(empty, DetectorOptions(0.95), nothing)
    assert runtime.calls == 1 + 2 * 2, "both readings, each time"
    found = detector.detect(person, DetectorOptions(0.3), nothing)
    assert np.abs(found.boxes[0] - (100, 50, 150, 200)).max() <= 3
    before = runtime.calls
    found = detector.detect(person, DetectorOptions(0.3), nothing)
    assert runtime.calls == before + 1, "it is settled"
    assert np.abs(found.boxes[0] - (100, 50, 150, 200)).max() <= 3


class Batched(Bright):
    """Computes four images at a time."""

    def __init__(self) -> None:
        super().__init__(SIDE, SIDE)
        self.inputs = [TensorSpec("image", (4, SIDE, SIDE, 3), np.dtype(np.uint8))]

    def run(self, images: AnyArray) -> list[AnyArray]:
        assert images.shape[0] == 4
        each = [super(Batched, self).run(image[None]) for image in images]
        return [np.concatenate([answer[i] for answer in each]) for i in range(2)]


class WithOthers(Bright):
    """Wants the scale and the size, too, as exports of PaddleDetection."""

    def __init__(self, *names: str) -> None:
        super().__init__(SIDE, SIDE)
        others = [TensorSpec(name, (1, 2), np.dtype(np.float32)) for name in names]
        self.inputs = [others[0], *self.inputs, *others[1:]]
        self.given: tuple[AnyArray, ...] = ()

    def run(self, *tensors: AnyArray) -> list[AnyArray]:
        self.given = tensors
        return super().run(tensors[1])


def _find(runtime: Bright) -> np.ndarray:
    pixels = np.full((240, 320, 3), 60, np.uint8)
    pixels[50:200, 100:150] = 255
    detector = NetworkDetector(runtime)
    found = detector.detect(Image(pixels), DetectorOptions(), np.zeros((0, 4), np.float32))
    return found.boxes


def test_a_fixed_batch_is_filled() -> None:
    boxes = _find(Batched())
    assert len(boxes) == 1 and np.abs(boxes[0] - (100, 50, 150, 200)).max() <= 3


def test_inputs_beside_the_image() -> None:
    runtime = WithOthers("im_shape", "scale_factor")
    assert np.abs(_find(runtime)[0] - (100, 50, 150, 200)).max() <= 3
    np.testing.assert_array_equal(runtime.given[0], [[SIDE, SIDE]])
    np.testing.assert_array_equal(runtime.given[2], [[1, 1]])
    with pytest.raises(ModelError, match="has the input 'orig_target_sizes' beside the image"):
        _find(WithOthers("orig_target_sizes"))
