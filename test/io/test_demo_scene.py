"""The demo's scene: where its people are, and that nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest

from pose_estimation_ros.io.demo_scene import SceneSource, forth_and_back

# An edge is soft, and sampled between the pixels of the photograph.
MARGIN_PX = 4


@pytest.mark.parametrize(
    ("size", "persons"), [((960, 540), 3), ((640, 480), 1), ((480, 270), 5), ((1920, 1080), 18)]
)
def test_only_people_move_and_their_boxes_hold_them(size: tuple[int, int], persons: int) -> None:
    scene = SceneSource(*size, fps=1.0, seconds=8.0, persons=persons)
    frames = list(scene.frames())
    assert len(frames) == scene.length == 8
    assert all(f.shape == (size[1], size[0], 3) and f.dtype == np.uint8 for f in frames)
    boxes = np.array([scene.people(index) for index in range(8)])
    assert boxes.shape == (8, persons, 4)
    assert (boxes[..., :2] >= 0).all() and (boxes[..., 2:] <= size).all()
    moved = np.abs(np.diff(boxes, axis=0)).max(axis=(0, 2))
    assert (moved > 0.01 * size[1] / persons).all()
    anybody = np.zeros((size[1], size[0]), bool)
    for x1, y1, x2, y2 in boxes.reshape(-1, 4):
        low = np.maximum(np.floor((x1, y1)) - MARGIN_PX, 0).astype(int)
        anybody[low[1] : int(y2) + MARGIN_PX, low[0] : int(x2) + MARGIN_PX] = True
    spread = np.ptp(np.stack(frames).astype(int), axis=0).max(axis=-1)
    assert (spread[~anybody] == 0).all() and (~anybody).any()
    # Somebody fills most of a box: it is not drawn wide.
    for x1, y1, x2, y2 in boxes[0]:
        assert (spread[int(y1) : int(y2), int(x1) : int(x2)] > 0).mean() > 0.4


def test_the_scene_is_the_same_every_time() -> None:
    first, second = (list(SceneSource(480, 270, seconds=0.1).frames()) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    loop = forth_and_back(first)
    assert len(loop) == 2 * len(first) - 2
    np.testing.assert_array_equal(loop[-1], first[1])
