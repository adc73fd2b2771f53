"""Drops images so that at most `target_fps` per second are processed."""

from __future__ import annotations


class RateLimit:
    """Passes images at a mean rate. Not thread-safe."""

    def __init__(self) -> None:
        self._next_due_s = 0.0

    def passes(self, now_s: float, target_fps: float) -> bool:
        """Whether the image received at `now_s` passes; a `target_fps` of 0 is no limit."""
        if target_fps <= 0:
            return True
        # A rate that was raised holds at once, whatever was due at the old one.
        self._next_due_s = min(self._next_due_s, now_s + 1 / target_fps)
        if now_s < self._next_due_s:
            return False
        # From the due time on, so that the rate holds on average; without a debt of the past.
        self._next_due_s = max(self._next_due_s, now_s - 1 / target_fps) + 1 / target_fps
        return True
