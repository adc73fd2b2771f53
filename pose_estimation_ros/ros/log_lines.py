"""The engine's log lines, in the node's log."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

_KINDS = 32


def without_figures(text: str) -> str:
    """The line without digits, so that lines that differ in numbers only compare equal."""
    return "".join(letter for letter in text if not letter.isdigit())


class Throttle:
    """Limits how often a log line repeats; lines that differ in numbers only count as one.

    What arrives may make lines of ever new kinds, so beyond 32 of them at a time all wait.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._passed_s: dict[str, float] = {}

    def passes(self, text: str) -> bool:
        """Whether to say it now."""
        now_s = time.monotonic()
        kind = without_figures(text)
        with self._lock:
            for old in [k for k, s in self._passed_s.items() if now_s - s >= self._seconds]:
                del self._passed_s[old]
            if kind in self._passed_s or len(self._passed_s) >= _KINDS:
                return False
            self._passed_s[kind] = now_s
            return True


class _ToNode(logging.Handler):
    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        # rclpy allows one severity per place in the code, so each needs a line of its own.
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


def forward_logs(logger: Any) -> None:
    """Redirects the package's Python logging to a node's logger."""
    package = logging.getLogger("pose_estimation_ros")
    package.handlers = [_ToNode(logger)]
    package.setLevel(logging.INFO)
    package.propagate = False
