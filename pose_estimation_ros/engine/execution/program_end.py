"""An orderly end: no frame is in work, and no thread holds a model, when Python ends.

A daemon thread in native code that comes back while Python ends is torn out of it, and the process
aborts, as it does where such a thread owns what a runtime still needs.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Protocol

from pose_estimation_ros.errors import CancelledError

WAIT_S = 2.0  # for all; reached only where a model hangs


class Closable(Protocol):
    """What owns threads."""

    def close(self, wait_s: float = 0.0) -> None:
        """Ends the threads; waits up to `wait_s` for them."""
        ...


class ProgramEnd:
    """Knows the frames in work and the owners of threads; thread-safe."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Starts anew, in a fork: its parent's frames and threads are none of its own."""
        self._changed = threading.Condition()
        self._inside = threading.local()
        self._frames = 0
        self._ended = False
        self._owners: weakref.WeakSet[Closable] = weakref.WeakSet()

    def add(self, owner: Closable) -> None:
        """Has the owner's threads ended before Python ends."""
        self._owners.add(owner)

    @contextlib.contextmanager
    def frame_in_work(self) -> Iterator[None]:
        """The end waits for this block. After it, other threads than the main one stop here.

        Raises:
            CancelledError: in the main thread, as where a handler of the end asks for poses.
        """
        if getattr(self._inside, "frame", False):  # a pipeline within a pipeline
            yield
            return
        with self._changed:
            while self._ended:
                if threading.current_thread() is threading.main_thread():
                    raise CancelledError("the program ends")
                self._changed.wait()  # for ever: daemon threads go with the process
            self._frames += 1
        self._inside.frame = True
        try:
            yield
        finally:
            self._inside.frame = False
            with self._changed:
                self._frames -= 1
                self._changed.notify_all()

    def end(self, wait_s: float = WAIT_S) -> None:
        """Lets no further frame in, waits for those in work, and ends the threads."""
        deadline = time.monotonic() + wait_s
        with self._changed:
            self._ended = True
            self._changed.wait_for(lambda: self._frames == 0, wait_s)
        for owner in list(self._owners):
            owner.close(max(0.0, deadline - time.monotonic()))


PROGRAM_END = ProgramEnd()
os.register_at_fork(after_in_child=PROGRAM_END.renew)
atexit.register(PROGRAM_END.end)
