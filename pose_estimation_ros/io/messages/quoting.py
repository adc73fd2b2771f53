"""Text of messages in log lines."""

from __future__ import annotations

_LONGEST = 40


def quoted(text: str) -> str:
    """What a message calls something, for one line of a log: quoted, escaped and not long."""
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
