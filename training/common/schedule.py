"""How long a training runs, and its learning rate over that time."""

from __future__ import annotations

import math
import time


class Budget:
    """How much training is left, by steps or by the wall clock.

    Args:
        steps: number of optimizer steps, or None.
        minutes: wall-clock minutes over all resumed parts, or None.

    Raises:
        ValueError: neither is given.
    """

    def __init__(self, steps: int | None, minutes: float | None) -> None:
        if not steps and not minutes:
            raise ValueError("give a number of epochs, steps or minutes")
        self.steps, self.minutes = steps, minutes
        self.step = 0
        self.spent_s = 0.0
        self._mark = time.monotonic()

    def tick(self) -> None:
        """Count a step and its time."""
        now = time.monotonic()
        self.spent_s += now - self._mark
        self._mark = now
        self.step += 1

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, in [0, 1]; the first limit to be met counts."""
        shares = [0.0]
        if self.steps:
            shares.append(self.step / self.steps)
        if self.minutes:
            shares.append(self.spent_s / 60 / self.minutes)
        return min(max(shares), 1.0)


def rate_factor(
    budget: Budget, warm_up_steps: int = 100, floor: float = 0.01, hold: float = 0.0
) -> float:
    """Linear warm-up, 1 for the share ``hold`` of the budget, then cosine down to ``floor``.

    With ``hold`` 1 the rate never falls: what a later run with a falling rate starts from.
    """
    warm = min((budget.step + 1) / warm_up_steps, 1.0)
    falling = max(0.0, budget.progress - hold) / (1 - hold) if hold < 1 else 0.0
    return warm * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * falling)))
