"""The advice fits the need."""

from __future__ import annotations

import pytest

from pose_estimation_ros.evaluation.recommendation import Need, advise, expected_p95_ms


def _figures(name: str, p95: float, memory: float, persons: float, person_ms: float) -> dict:
    return {
        "pipeline": name,
        "latency_ms": {"mean": 0.8 * p95, "p95": p95},
        "stages_ms": {"pose": person_ms * persons},
        "cost_ms": {"frame": 10.0, "person": person_ms},
        "memory_mb": memory,
        "fps": 1000 / p95,
        "poses_per_frame": persons,
        "most_poses": int(persons),
    }


MEASURED = {
    "v3": _figures("v3", 20, 100, 1, 0),
    "v4": _figures("v4", 60, 200, 3, 10),
    "hybrid": _figures("hybrid", 40, 210, 3, 10),
}


@pytest.mark.parametrize(
    ("need", "single_share", "pipeline", "met"),
    [
        (Need("", 1, 30, 150), 0.0, "v3", True),
        (Need("", 1), 0.9, "v3", True),
        (Need("", 3, 100), 0.0, "v4", True),
        (Need("", 3, 100), 0.5, "hybrid", True),
        (Need("", 3, 50), 0.0, "hybrid", True),
        (Need("", 10, 115), 0.0, "hybrid", True),  # 40 + 7 more persons x 10
        (Need("", 10, 105), 0.0, "hybrid", False),
        (Need("", 1, 10), 0.0, "v3", False),
        (Need("", 3, None, 50), 0.0, "v4", False),
    ],
)
def test_the_advice_fits_the_need(
    need: Need, single_share: float, pipeline: str, met: bool
) -> None:
    advice = advise(need, MEASURED, single_share)
    assert (advice.pipeline, advice.met) == (pipeline, met)
    assert ("nearest" in advice.why) == (not met)


def test_more_persons_than_were_seen_are_expected_to_cost_more() -> None:
    assert expected_p95_ms(MEASURED["v4"], 3) == 60
    assert expected_p95_ms(MEASURED["v4"], 8) == 110
    assert expected_p95_ms(MEASURED["v3"], 8) == 20
