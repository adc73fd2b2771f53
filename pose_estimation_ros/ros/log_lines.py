"""The engine's log lines, in the node's log."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

_KINDS = 32


def without_figures(text: str) -> str:
    """Strips digits, so that lines that differ only in numbers compare equal."""
    return "".join(letter for letter in text if not letter.isdigit())


class Throttle:
    """Limits how often a log line repeats; lines that differ only in numbers count as one.

    What arrives may make lines of ever new kinds, so beyond 32 of them at a time all wait.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._passed_s: dict[str, float] = {}

    def passes(self, text: str) -> bool:
        """True if the line should be logged now."""
        now_s = time.monotonic()
        kind = without_figures(text)
        with self._lock:
            for old in [k for k, s in self._passed_s.items() if now_s - s >= self._seconds]:
                del self._passed_s[old]
            if kind in self._passed_s or len(self._passed_s) >= _KINDS:
                return False
            self._passed_s[kind] = now_s
            return True


# The logger of the node on whose behalf this thread works.
_LOGGER: contextvars.ContextVar[Any] = contextvars.ContextVar("pose_estimation_ros_logger")


class _ToNode(logging.Handler):
    """Forwards lines to the logger of the thread's node, by default the first node's."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        logger = _LOGGER.get(self._logger)
        # rclpy allows one severity per place in the code, so each needs a line of its own.
        if record.levelno >= logging.ERROR:
            logger.error(text)
        elif record.levelno >= logging.WARNING:
            logger.warning(text)
        elif record.levelno >= logging.INFO:
            logger.info(text)
        else:
            logger.debug(text)


def forward_logs(logger: Any) -> Callable[[], None]:
    """Redirects the package's Python logging to a node's logger.

    Returns:
        What a thread calls before it works for that node, where a process has several; threads
        that it then starts do so, too.
    """
    package = logging.getLogger("pose_estimation_ros")
    if not any(isinstance(handler, _ToNode) for handler in package.handlers):
        package.handlers = [_ToNode(logger)]
    package.setLevel(logging.DEBUG)
    package.propagate = False

    def log_here() -> None:
        _LOGGER.set(logger)

    log_here()
    return log_here
