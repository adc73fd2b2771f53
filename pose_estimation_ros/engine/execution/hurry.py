"""Whether a frame waits for what is being done: then the quick way is taken, not the best one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_waiting: ContextVar[bool] = ContextVar("a_frame_waits", default=False)


def a_frame_waits() -> bool:
    """Whether the caller should do without anything that takes more than a frame's time."""
    return _waiting.get()


@contextlib.contextmanager
def hurry(waits: bool = True) -> Iterator[None]:
    """Within it, in this thread, a frame waits (or does not)."""
    token = _waiting.set(waits)
    try:
        yield
    finally:
        _waiting.reset(token)
