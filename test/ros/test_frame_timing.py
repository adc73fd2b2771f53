"""When an answer waits for the next image: where that is near and answers take long."""

from __future__ import annotations

import pytest

from pose_estimation_ros.ros.frame_timing import Rhythm

PERIOD_S = 1 / 30


def _rhythm(answer_s: float, intervals: list[float] | None = None) -> tuple[Rhythm, float]:
    rhythm, now_s = Rhythm(), 100.0
    rhythm.arrived(now_s)
    for interval in intervals or [PERIOD_S] * 5:
        now_s += interval
        rhythm.arrived(now_s)
    rhythm.answered(answer_s)
    return rhythm, now_s


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
    rhythm, last_s = _rhythm(answer_s)
    patience = rhythm.patience_s(last_s, last_s + age_s)
    assert (patience > 0) is waits
    if waits:
        assert patience == pytest.approx(1.1 * PERIOD_S - age_s)


def test_one_lost_image_does_not_change_the_period() -> None:
    rhythm, last_s = _rhythm(0.5, [PERIOD_S, PERIOD_S, 2 * PERIOD_S, PERIOD_S, PERIOD_S])
    assert rhythm.patience_s(last_s, last_s + 0.03) == pytest.approx(1.1 * PERIOD_S - 0.03)


def test_it_does_not_wait_before_it_knows_the_period() -> None:
    rhythm = Rhythm()
    rhythm.answered(0.5)
    for moment in (0.0, PERIOD_S, 2 * PERIOD_S):
        rhythm.arrived(moment)
        assert rhythm.patience_s(moment, moment + 0.03) == 0
