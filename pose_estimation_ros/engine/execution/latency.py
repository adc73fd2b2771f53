"""Lap times, latency percentiles by stage and rates over a sliding window.

The windows are thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


class Stopwatch:
    """Milliseconds since it was last asked."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap_ms(self) -> float:
        """Milliseconds since the lap before, or since the start."""
        now = time.perf_counter()
        lap, self._last = (now - self._last) * 1e3, now
        return lap


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics of a window of measurements; NaN where there are none."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


def summarise(values: list[float]) -> Summary:
    """Statistics of the finite ones of these values."""
    finite = np.array([value for value in values if np.isfinite(value)])
    if len(finite) == 0:
        nan = float("nan")
        return Summary(0, nan, nan, nan, nan, nan)
    p50, p95, p99 = np.percentile(finite, [50, 95, 99])
    return Summary(
        count=len(finite),
        mean=float(finite.mean()),
        p50=float(p50),
        p95=float(p95),
        p99=float(p99),
        max=float(finite.max()),
    )


class LatencyWindow:
    """The last measurements of each stage, in milliseconds."""

    def __init__(self, capacity: int = 300) -> None:
        self._rows: deque[Mapping[str, float]] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def add(self, stages_ms: Mapping[str, float]) -> None:
        """Adds a frame's latencies by stage."""
        with self._lock:
            self._rows.append(stages_ms)

    def summaries(self) -> dict[str, Summary]:
        """A summary for every stage seen."""
        with self._lock:
            rows = list(self._rows)
        stages = dict.fromkeys(stage for row in rows for stage in row)
        return {s: summarise([row[s] for row in rows if s in row]) for s in stages}

    def clear(self) -> None:
        with self._lock:
            self._rows.clear()


class Rate:
    """Events a second over the last few seconds."""

    def __init__(self, window_s: float = 3.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._times: deque[float] = deque()
        self._started = clock()
        self._lock = threading.Lock()

    def tick(self) -> None:
        """Counts one event, now."""
        with self._lock:
            self._times.append(self._clock())
            self._drop_old()

    @property
    def per_second(self) -> float:
        """Events a second; over the time since the start while that is shorter."""
        with self._lock:
            self._drop_old()
            span = min(self._window_s, self._clock() - self._started)
            return len(self._times) / span if span > 0 else 0.0

    def _drop_old(self) -> None:
        oldest = self._clock() - self._window_s
        while self._times and self._times[0] < oldest:
            self._times.popleft()
