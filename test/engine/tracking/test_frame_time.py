"""The time of the images, whatever their stamps are like."""

from __future__ import annotations

import numpy as np
import pytest

from pose_estimation_ros.engine.tracking.frame_time import FrameTime

_PERIOD_S = 1 / 30
_N = 300
_STEADY = np.arange(_N) * _PERIOD_S


def _times(stamps: np.ndarray) -> np.ndarray:
    time = FrameTime()
    return np.array([time.take(float(stamp)) for stamp in stamps])


@pytest.mark.parametrize("fps", [0.4, 5, 30, 120])
def test_steady_stamps_are_the_time(fps: float) -> None:
    stamps = 1e9 + np.arange(_N) / fps
    np.testing.assert_allclose(_times(stamps)[_N // 2 :], stamps[_N // 2 :], atol=1e-6)


@pytest.mark.parametrize("images", [2, 4, 15])
@pytest.mark.parametrize("apart_s", [0.0, 1e-5, 1e-3])
def test_images_of_a_burst_are_a_period_apart(images: int, apart_s: float) -> None:
    index = np.arange(_N)
    times = _times(_STEADY[index // images * images] + index % images * apart_s)
    steps = np.diff(times[4 * images :])
    assert steps.min() > 0.5 * _PERIOD_S and steps.max() < 4 * _PERIOD_S


@pytest.mark.parametrize("back_s", [0.002, 0.05, 0.099])
def test_stamps_that_go_back_a_little_hold_nothing_up(back_s: float) -> None:
    stamps = _STEADY - np.where(np.arange(_N) % 10 == 5, _PERIOD_S + back_s, 0)
    time = FrameTime()
    for stamp in stamps:
        assert not (time.starts_anew(stamp) and stamp > back_s)
        before = time.now_s
        assert time.take(float(stamp)) > before
    assert time.went_back == _N // 10


def test_farther_back_a_recording_begins_anew() -> None:
    time = FrameTime()
    time.take(50.0)
    assert time.starts_anew(49.8) and not time.starts_anew(49.95)
    assert time.take(1.0) == 1.0
    assert time.starts_anew(None)


def test_time_that_stands_still_runs_ahead_by_a_second_at_most() -> None:
    times = _times(np.zeros(5000))
    assert 0 < times[-1] <= 1.0 and (np.diff(times) >= 0).all()
