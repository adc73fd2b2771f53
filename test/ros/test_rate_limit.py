"""Images a second that are answered."""

from __future__ import annotations

import pytest

from pose_estimation_ros.ros.rate_limit import RateLimit


@pytest.mark.parametrize(
    ("target_fps", "expected"), [(0.0, 90), (10.0, 30), (25.0, 75), (30.0, 90), (1000.0, 90)]
)
def test_the_rate_holds_on_average(target_fps: float, expected: int) -> None:
    limit = RateLimit()
    passed = sum(limit.passes(100.0 + index / 30, target_fps) for index in range(90))
    assert passed == pytest.approx(expected, abs=1)


def test_a_pause_leaves_no_debt() -> None:
    limit = RateLimit()
    assert limit.passes(0.0, 10.0) and not limit.passes(0.05, 10.0)
    passed = [limit.passes(100.0 + index / 100, 10.0) for index in range(30)]
    assert sum(passed) <= 4


@pytest.mark.parametrize("before", [0.02, 0.0])
def test_a_raised_rate_holds_at_once(before: float) -> None:
    limit = RateLimit()
    assert limit.passes(100.0, 0.02)
    if before == 0.0:
        assert limit.passes(100.1, 0.0)
    passed = sum(limit.passes(101.0 + index / 30, 15.0) for index in range(60))
    assert passed == pytest.approx(30, abs=2)
