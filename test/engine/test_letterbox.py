"""Letterboxes and the way back from their canvas."""

import numpy as np
import pytest

from pose_estimation_ros.engine.letterbox import Letterbox

SIZES = [(640, 480), (480, 640), (1920, 1080), (333, 77), (31, 1023), (8, 8), (4096, 33)]


@pytest.mark.parametrize("anchor", ["center", "top_left", "stretch"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_box_survives_the_letterbox_round_trip(width: int, height: int, anchor: str) -> None:
    letterbox = Letterbox(320, 416, anchor)
    transform = letterbox.apply(np.zeros((height, width, 3), np.uint8))
    boxes = np.array([[0, 0, width, height], [width / 3, height / 4, width / 2, height / 1.5]])
    back = transform.to_image(transform.to_canvas(boxes), width, height)
    np.testing.assert_allclose(back, boxes, atol=0.01)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_letterbox_shows_the_image_where_it_says(width: int, height: int) -> None:
    image = np.full((height, width, 3), 255, np.uint8)
    letterbox = Letterbox(320, 320)
    transform = letterbox.apply(image)
    x1, y1, x2, y2 = transform.to_canvas(np.array([[0, 0, width, height]]))[0].round().astype(int)
    inside = letterbox.canvas[y1:y2, x1:x2]
    assert inside.size and (inside == 255).all()
    outside = np.ones((320, 320), bool)
    outside[y1:y2, x1:x2] = False
    assert (letterbox.canvas[outside] == 114).all()


def test_a_letterbox_forgets_the_image_before() -> None:
    letterbox = Letterbox(64, 64)
    letterbox.apply(np.full((64, 64, 3), 9, np.uint8))
    letterbox.apply(np.full((32, 64, 3), 200, np.uint8))
    assert set(np.unique(letterbox.canvas)) == {114, 200}


MORE_SIZES = [(640, 480), (1920, 1080), (1080, 1920), (333, 77), (77, 333), (320, 320), (3840, 31)]


@pytest.mark.parametrize("anchor", ["center", "top_left", "stretch"])
@pytest.mark.parametrize("size", MORE_SIZES)
def test_boxes_anywhere_survive_the_round_trip(size: tuple[int, int], anchor: str) -> None:
    width, height = size
    rng = np.random.default_rng(width)
    corners = rng.uniform(0, 1, (200, 2, 2)) * (width, height)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)
    letterbox = Letterbox(320, 320, anchor)
    transform = letterbox.apply(np.zeros((height, width, 3), np.uint8))
    there = transform.to_canvas(boxes)
    assert there.min() >= -1e-3
    assert there.max() <= 320 + 1e-3
    assert np.abs(transform.to_image(there, width, height) - boxes).max() < 1.0
