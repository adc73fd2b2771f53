"""One-slot mailboxes, one per camera: a newer frame replaces the one that waits."""

from __future__ import annotations

import threading
import time
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailboxes(Generic[T]):
    """A one-slot mailbox per camera, emptied in turn so that no camera starves. Thread-safe."""

    def __init__(self, cameras: int) -> None:
        self._slots: list[T | None] = [None] * cameras
        self._ready = threading.Condition()
        self._next = 0
        self._closed = False

    def put(self, camera: int, item: T) -> bool:
        """Puts an item in the slot; True if it replaced one that was not taken yet."""
        with self._ready:
            replaced = self._slots[camera] is not None
            self._slots[camera] = item
            self._ready.notify()
            return replaced

    def take(self, timeout_s: float | None = None) -> tuple[int, T] | None:
        """The next camera in turn with an item, and the item; None on timeout or once closed."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._ready:
            while not self._closed:
                for step in range(len(self._slots)):
                    camera = (self._next + step) % len(self._slots)
                    item = self._slots[camera]
                    if item is not None:
                        self._slots[camera] = None
                        self._next = camera + 1
                        return camera, item
                wait = None if deadline is None else deadline - time.monotonic()
                if wait is not None and wait <= 0:
                    return None
                self._ready.wait(wait)
            return None

    def take_newer(self, camera: int, timeout_s: float) -> T | None:
        """Waits for the next item of one camera; None on timeout or once closed."""
        with self._ready:
            self._ready.wait_for(
                lambda: self._closed or self._slots[camera] is not None, timeout_s
            )
            item = self._slots[camera]
            self._slots[camera] = None
            return item

    def clear_slot(self, camera: int) -> int:
        """Empties a camera's slot; 1 if a frame was waiting there, else 0."""
        with self._ready:
            waiting = self._slots[camera] is not None
            self._slots[camera] = None
            return int(waiting)

    def waiting_in(self, camera: int) -> int:
        """The number of a camera's frames that wait: 0 or 1."""
        return int(self._slots[camera] is not None)

    def close(self) -> None:
        """Wakes every waiting taker; from now on `take` gives None."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
