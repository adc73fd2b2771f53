"""Progress display: one line on a terminal, a line every few seconds in a log."""

from __future__ import annotations

import contextlib
import sys
import time


class Progress:
    """Shows how much is done, the rate and the time left."""

    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total = what, total
        self._started = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._every_s = 0.1 if self._terminal else 5.0
        self._shown_s = self._started

    def show(self, done: int, note: str = "") -> None:
        """Reports that `done` items are finished; printed at intervals."""
        now = time.monotonic()
        if now - self._shown_s < self._every_s and done != self._total:
            return
        self._shown_s = now
        rate = done / max(now - self._started, 1e-6)
        line = f"{self._what}: {done}"
        if self._total:
            left = (self._total - done) / rate if rate > 0 else 0
            line += f"/{self._total}, {rate:.1f}/s, {left:.0f} s left"
        else:
            line += f", {rate:.1f}/s"
        end = "" if self._terminal else "\n"
        start = "\r\033[K" if self._terminal else ""
        self._print(f"{start}{line}{', ' + note if note else ''}{end}")

    def close(self) -> None:
        if self._terminal:
            self._print("\n")

    @staticmethod
    def _print(text: str) -> None:
        with contextlib.suppress(
            OSError
        ):  # a terminal or a reader that has gone is no reason to stop
            print(text, end="", file=sys.stderr, flush=True)
