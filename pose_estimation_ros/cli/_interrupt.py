"""Defers Ctrl-C, and the other usual ends of a job, to the end of the current frame."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


class Interruption:
    """Context in which the first Ctrl-C or SIGTERM sets `asked`; a second one interrupts.

    SIGHUP counts, too, by which a closed terminal or a lost connection ends a job, unless it is
    ignored, as under nohup.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def check(self) -> None:
        """Raises KeyboardInterrupt if Ctrl-C was pressed."""
        if self.asked:
            raise KeyboardInterrupt

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
