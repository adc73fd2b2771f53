"""When an answer waits for the next image: where that is near and answers take long."""

from __future__ import annotations

import pytest

from pose_estimation_ros.ros.next_image_wait import NextImageWait

PERIOD_S = 1 / 30


def _timing(answer_s: float, intervals: list[float] | None = None) -> tuple[NextImageWait, float]:
    timing, now_s = NextImageWait(), 100.0
    timing.arrived(now_s)
    for interval in intervals or [PERIOD_S] * 5:
        now_s += interval
        timing.arrived(now_s)
    timing.answered(answer_s)
    return timing, now_s


@pytest.mark.parametrize(
    ("answer_s", "age_s", "waits"),
    [
        (0.5, 0.030, True),
        (0.5, 0.010, True),  # 23 ms for an answer of 500
        (0.5, 0.005, False),  # 28 ms are more than a twentieth
        (0.1, 0.030, True),
        (0.1, 0.020, False),
        (0.008, 0.020, False),
        (0.5, 0.040, False),  # overdue: who knows whether it comes
    ],
)
def test_it_waits_for_an_image_that_is_near(answer_s: float, age_s: float, waits: bool) -> None:
    timing, last_s = _timing(answer_s)
    wait = timing.wait_for_newer_s(last_s, last_s + age_s)
    assert (wait > 0) is waits
    if waits:
        assert wait == pytest.approx(1.1 * PERIOD_S - age_s)


def test_one_lost_image_does_not_change_the_period() -> None:
    timing, last_s = _timing(0.5, [PERIOD_S, PERIOD_S, 2 * PERIOD_S, PERIOD_S, PERIOD_S])
    assert timing.wait_for_newer_s(last_s, last_s + 0.03) == pytest.approx(1.1 * PERIOD_S - 0.03)


def test_it_does_not_wait_before_it_knows_the_period() -> None:
    timing = NextImageWait()
    timing.answered(0.5)
    for moment in (0.0, PERIOD_S, 2 * PERIOD_S):
        timing.arrived(moment)
        assert timing.wait_for_newer_s(moment, moment + 0.03) == 0
