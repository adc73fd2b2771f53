"""Text of messages in log lines."""

from __future__ import annotations

_LONGEST = 40


def quoted(text: str) -> str:
    """Quotes text from a message for a log line: escaped, and cut to 40 characters."""
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
