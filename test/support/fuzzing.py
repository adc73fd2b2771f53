"""How inputs are made up: as many as there is time for, watched for hanging and for memory."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from rows import FULL, full_or


def fuzz(short: int, full: int) -> Callable[[Any], Any]:
    """The settings of a fuzz test; the short form tries the same inputs every time."""
    return settings(
        max_examples=full_or(full, short),
        derandomize=not FULL,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fails where the block takes longer; only in the main thread."""

    def hangs(_signal: int, _frame: object) -> None:
        raise AssertionError(f"it hangs: nothing after {seconds:.0f} s")

    previous = signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextlib.contextmanager
def grown_mb(warm_up: Callable[[], None]) -> Iterator[Callable[[], float]]:
    """How much the most memory that this process ever used has grown since the block began.

    Before that everything is done once, since libraries that are loaded take memory, too.
    """
    warm_up()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield lambda: (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
