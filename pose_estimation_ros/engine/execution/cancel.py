"""Cancellation of work whose result is no longer wanted."""

from __future__ import annotations

import threading

from pose_estimation_ros.errors import CancelledError


class CancelToken:
    """Shared by whoever asks for work and whoever does it, who checks it before each step."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Asks the work to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raises CancelledError once cancelled."""
        if self._event.is_set():
            raise CancelledError("the frame is no longer wanted")
