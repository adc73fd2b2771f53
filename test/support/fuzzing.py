"""How inputs are made up: as many as there is time for, watched for hanging and for memory."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
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


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A file with bytes changed, cut out, doubled, or put in; or bytes out of nowhere."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        kind = draw(st.sampled_from(["set", "cut", "end", "put", "large"]))
        if kind == "set":
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "end":
            del data[at:]
        elif kind == "put":
            data[at:at] = draw(st.binary(max_size=16))
        else:
            data[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(data)
