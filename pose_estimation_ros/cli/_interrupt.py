"""Defers Ctrl-C to the end of the current frame, and keeps it off what is being finished."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

# SIGHUP comes where a terminal is closed or ssh lost; under nohup it is ignored, and stays so.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Context in which the first Ctrl-C, SIGTERM or SIGHUP sets `asked`; a second one interrupts.

    After `finish` they are only noted: what is written at the end is written whole.
    """

    def __init__(self) -> None:
        self.asked = False
        self._finishing = False
        self._before: dict[int, Any] = {}

    def finish(self) -> None:
        """From now on nothing interrupts."""
        self._finishing = True

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_terminal()
        if self.asked and not self._finishing:
            raise KeyboardInterrupt
        self.asked = True

    def check(self) -> None:
        """Raises KeyboardInterrupt if Ctrl-C was pressed."""
        if self.asked:
            raise KeyboardInterrupt

    def __enter__(self) -> Interruption:
        self._before = _handle_with(self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def any_end_is_ctrl_c() -> Iterator[None]:
    """Has SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does, so that everything is closed.

    Child processes, temporary files and terminals would be left over otherwise.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_terminal()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _handle_with(interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle_with(handler: Any) -> dict[int, Any]:
    """Sets the handler for the signals that are not ignored; returns those before."""
    return {
        number: signal.signal(number, handler)
        for number in _SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }


def leave_terminal() -> None:
    """Writes to a terminal that has gone fail, and would end what is to be finished."""
    for descriptor in (1, 2):
        if os.isatty(descriptor):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
