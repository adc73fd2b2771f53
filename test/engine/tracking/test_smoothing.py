"""Joints, smoothed by track."""

from __future__ import annotations

import numpy as np
import pytest

from pose_estimation_ros.engine.tracking.smoothing import Smoother
from pose_estimation_ros.settings import SmoothingOptions


def _smooth(points: np.ndarray, options: SmoothingOptions, fps: float = 30.0) -> np.ndarray:
    smoother = Smoother(options)
    box, track = np.array([[0, 0, 100, 200]], np.float32), np.array([7], np.int32)
    steps = [
        smoother.smooth(point.reshape(1, 1, 2), box, track, index / fps)[0, 0]
        for index, point in enumerate(points)
    ]
    return np.array(steps)


def test_smoothing_calms_a_joint_at_rest_and_follows_a_fast_one() -> None:
    options = SmoothingOptions(enabled=True)
    noise = np.random.default_rng(1).normal(0, 1, (200, 2)).astype(np.float32)
    at_rest = _smooth(100 + noise, options)
    assert at_rest[30:].std() < 0.6 * noise[30:].std()
    moving = np.stack([np.arange(60) * 20.0, np.zeros(60)], axis=1).astype(np.float32)
    lag = moving - _smooth(moving, options)
    assert lag[-1, 0] < 20  # less than one frame behind


@pytest.mark.parametrize(("body_heights_a_second", "lag_s"), [(0.01, 0.10), (1.0, 0.024)])
def test_smoothing_lags_as_the_readme_says(body_heights_a_second: float, lag_s: float) -> None:
    speed = 200 * body_heights_a_second
    moving = np.stack([np.arange(600) * speed / 30, np.zeros(600)], axis=1).astype(np.float32)
    behind = moving[-1, 0] - _smooth(moving, SmoothingOptions(enabled=True))[-1, 0]
    assert behind / speed == pytest.approx(lag_s, rel=0.05)


def test_smoothing_is_off_by_default_and_forgets() -> None:
    points = np.array([[0, 0], [50, 50]], np.float32)
    np.testing.assert_array_equal(_smooth(points, SmoothingOptions()), points)
    smoother = Smoother(SmoothingOptions(enabled=True))
    box, track = np.array([[0, 0, 9, 9]], np.float32), np.array([0], np.int32)
    smoother.smooth(np.zeros((1, 1, 2), np.float32), box, track, 0.0)
    smoother.keep(set())
    jump = np.full((1, 1, 2), 90, np.float32)
    np.testing.assert_array_equal(smoother.smooth(jump, box, track, 0.03), jump)
