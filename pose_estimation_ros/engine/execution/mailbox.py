"""One slot a camera: the newest frame waits, older ones make room."""

from __future__ import annotations

import threading
import time
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailboxes(Generic[T]):
    """A one-slot mailbox for every camera, emptied in turn so that no camera starves."""

    def __init__(self, cameras: int) -> None:
        self._slots: list[T | None] = [None] * cameras
        self._ready = threading.Condition()
        self._next = 0
        self._closed = False

    def put(self, camera: int, item: T) -> bool:
        """Leaves an item; True where an older one, not yet taken, made room for it."""
        with self._ready:
            replaced = self._slots[camera] is not None
            self._slots[camera] = item
            self._ready.notify()
            return replaced

    def take(self, timeout_s: float | None = None) -> tuple[int, T] | None:
        """The next camera in turn that has an item, with it; None on timeout or once closed."""
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
        """The next item of one camera, waited for; None on timeout or once closed."""
        with self._ready:
            self._ready.wait_for(
                lambda: self._closed or self._slots[camera] is not None, timeout_s
            )
            item = self._slots[camera]
            self._slots[camera] = None
            return item

    def clear_slot(self, camera: int) -> int:
        """Empties a camera's slot; 1 where a frame was waiting there, else 0."""
        with self._ready:
            waiting = self._slots[camera] is not None
            self._slots[camera] = None
            return int(waiting)

    def waiting_in(self, camera: int) -> int:
        """How many frames of a camera wait: 0 or 1."""
        return int(self._slots[camera] is not None)

    def close(self) -> None:
        """Wakes every taker; from now on there is nothing to take."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
