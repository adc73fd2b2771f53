"""Budget and learning rate."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.common.schedule import Budget, rate_factor  # noqa: E402


def test_schedule_warms_up_and_ends_at_the_end_of_the_budget():
    budget = Budget(steps=1000, minutes=None)
    assert rate_factor(budget) < 0.02
    budget.step = 100
    assert rate_factor(budget) > 0.95
    budget.step = 1000
    assert rate_factor(budget) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="minutes"):
        Budget(None, None)
