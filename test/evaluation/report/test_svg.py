"""Charts."""

from __future__ import annotations

import pytest

from pose_estimation_ros.evaluation.report import svg as report_svg


@pytest.mark.parametrize("value", [1e-7, 0.3, 1, 7, 99, 100, 12345])
def test_axes_are_round_and_hold_their_values(value: float) -> None:
    top, step = report_svg._nice(value)
    assert top >= value * (1 - 1e-9) and 1 <= round(top / step) <= 5
