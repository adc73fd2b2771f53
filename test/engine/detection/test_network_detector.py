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
