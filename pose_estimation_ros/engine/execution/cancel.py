"""Giving up work that nobody waits for any more."""

from __future__ import annotations

import threading

from pose_estimation_ros.errors import CancelledError


class CancelToken:
    """Shared by whoever asks for work and whoever does it; work looks before each step."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raises CancelledError once cancelled."""
        if self._event.is_set():
            raise CancelledError("the frame is no longer wanted")
