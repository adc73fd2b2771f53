"""The engine's log lines, in the node's log."""

from __future__ import annotations

import logging
from typing import Any


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
    """Sends what the package logs to a node's logger, and only there."""
    package = logging.getLogger("pose_estimation_ros")
    package.handlers = [_ToNode(logger)]
    package.setLevel(logging.INFO)
    package.propagate = False
