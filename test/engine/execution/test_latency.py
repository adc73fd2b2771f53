"""Percentiles and rates."""

import math

import numpy as np

from pose_estimation_ros.engine.execution.latency import (
    LatencyWindow,
    Rate,
    summarise,
)


def test_a_summary_leaves_out_what_is_not_known() -> None:
    summary = summarise([*range(1, 101), float("nan")])
    assert (summary.count, summary.mean, summary.max) == (100, 50.5, 100)
    assert summary.p95 == np.percentile(np.arange(1, 101), 95)
    assert summarise([]).count == 0 and math.isnan(summarise([]).p50)


def test_the_window_forgets_the_oldest() -> None:
    window = LatencyWindow(capacity=10)
    for value in range(100):
        window.add({"pose": float(value)})
    assert window.summaries()["pose"].mean == 94.5
    window.clear()
    assert window.summaries() == {}


def test_the_rate_counts_the_last_seconds() -> None:
    now = [0.0]
    rate = Rate(window_s=2.0, clock=lambda: now[0])
    for step in range(100):
        now[0] = step * 0.1
        rate.tick()
    assert 9.5 <= rate.per_second <= 10.5
    now[0] += 10
    assert rate.per_second == 0
