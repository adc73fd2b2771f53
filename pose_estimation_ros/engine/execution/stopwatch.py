"""Lap times of the stages of a frame."""

from __future__ import annotations

import time


class Stopwatch:
    """Milliseconds since it was last asked."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap_ms(self) -> float:
        """Milliseconds since the lap before, or since the start."""
        now = time.perf_counter()
        lap, self._last = (now - self._last) * 1e3, now
        return lap
