"""Where a person is expected: never inside out, never at a speed that nobody has."""

from __future__ import annotations

import numpy as np
import pytest

from pose_estimation_ros.engine.tracking.motion import BoxMotion


def _sides(box: np.ndarray) -> np.ndarray:
    return box[2:] - box[:2]


def test_somebody_who_goes_behind_a_wall_is_not_turned_inside_out() -> None:
    motion = BoxMotion(np.array([100, 0, 160, 200]))
    for step in range(1, 12):  # the right edge meets the wall, the left one goes on
        motion.update(np.array([100 + 5 * step, 0, 160, 200]), 1 / 30)
    for ahead_s in (0.0, 0.1, 0.5, 60.0):
        assert (_sides(motion.predicted(ahead_s)) > 0).all()


@pytest.mark.parametrize("box", [[50, 50, 50, 50], [90, 90, 10, 10], [0, 5, 1e6, 5]])
def test_boxes_without_an_inside_are_followed_as_well(box: list[float]) -> None:
    motion = BoxMotion(np.array([0, 0, 40, 100]))
    motion.update(np.array(box), 0.03)
    predicted = motion.predicted(0.5)
    assert np.isfinite(predicted).all() and (_sides(predicted) > 0).all()


@pytest.mark.parametrize("dt_s", [0.0, 1e-9, 1e-5, 1e-3])
def test_jitter_between_two_images_of_one_moment_is_no_speed(dt_s: float) -> None:
    motion = BoxMotion(np.array([0, 0, 40, 100]))
    motion.update(np.array([1, 1, 41, 101]), dt_s)
    assert np.abs(motion.predicted(1 / 30) - [1, 1, 41, 101]).max() < 1


def test_a_box_that_jumps_is_not_expected_to_go_on_so() -> None:
    motion = BoxMotion(np.array([0, 0, 40, 100]))
    motion.update(np.array([2000, 0, 2040, 100]), 1 / 30)
    assert motion.predicted(0.1)[0] <= 2000 + 6 * 100 * 0.1 + 1  # six body heights a second


@pytest.mark.parametrize("fps", [120, 30, 10])
def test_a_steady_walk_is_predicted_at_every_rate(fps: int) -> None:
    walk_px_s = 80
    motion = BoxMotion(np.array([0, 0, 40, 100]))
    for frame in range(1, fps + 1):
        x = walk_px_s * frame / fps
        motion.update(np.array([x, 0, x + 40, 100]), 1 / fps)
    assert motion.predicted(0.25)[0] - walk_px_s == pytest.approx(0.25 * walk_px_s, abs=2)
