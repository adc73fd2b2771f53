"""Crops of persons go through a pose model in batches, and joints come back in the image."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.pose.top_down import TopDownPose
from pose_estimation_ros.engine.runtimes.runtime import TensorSpec
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError


class FixedBatch:
    """A runtime with a fixed batch of four that marks the brightest pixel of each crop."""

    name = "fake"
    path = Path("four.onnx")
    metadata: ClassVar[dict[str, str]] = {}
    inputs = (TensorSpec("image", (4, 64, 64, 3), np.dtype(np.uint8)),)
    outputs = ()

    def run(self, images: AnyArray) -> list[AnyArray]:
        assert images.shape == (4, 64, 64, 3)
        flat = images[..., 0].reshape(4, -1).argmax(axis=1)
        y, x = np.divmod(flat, 64)
        joints = np.stack([x, y, np.zeros(4)], axis=1).astype(np.float32)
        return [np.repeat(joints[:, None], 17, axis=1), np.ones((4, 17), np.float32)]


def test_a_fixed_batch_is_filled_up_and_split() -> None:
    pixels = np.zeros((100, 700, 3), np.uint8)
    boxes = []
    for person in range(6):
        x = 50 + 100 * person
        pixels[40 + 2 * person, x] = 255
        boxes.append([x - 32, 20, x + 32, 84])
    model = TopDownPose(FixedBatch())
    assert model.batch == 4
    found = model.estimate(Image(pixels), np.array(boxes, np.float32))
    assert len(found) == 6
    for person in range(6):
        assert abs(found.xy[person, 0, 0] - (50 + 100 * person)) <= 2
        assert abs(found.xy[person, 0, 1] - (40 + 2 * person)) <= 2


@pytest.mark.parametrize(("said", "seen"), [(None, True), ("1.4", True), ("1.1", False)])
def test_the_crop_is_as_much_larger_than_the_box_as_the_model_says(
    said: str | None, seen: bool
) -> None:
    class Told(FixedBatch):
        metadata: ClassVar[dict[str, str]] = {} if said is None else {"crop_enlarge": said}

    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[100, 100], pixels[100, 136] = 100, 255  # the middle, and a tenth beyond the edge
    found = TopDownPose(Told()).estimate(Image(pixels), np.array([[70, 70, 130, 130]], np.float32))
    assert abs(found.xy[0, 0, 0] - (136 if seen else 100)) <= 2


@pytest.mark.parametrize("said", ["", "large", "nan", "0", "-1", "100"])
def test_a_size_of_the_crop_that_makes_no_sense_is_refused(said: str) -> None:
    class Told(FixedBatch):
        metadata: ClassVar[dict[str, str]] = {"crop_enlarge": said}

    with pytest.raises(ModelError, match=r"four\.onnx says crop_enlarge = .* from 0\.5 to 4"):
        TopDownPose(Told())
