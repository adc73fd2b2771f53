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
from pathlib import Path
from typing import Protocol

from pose_estimation_ros.errors import CancelledError

WAIT_S = 2.0  # for all; reached only where a model hangs
_LONGEST_S = 30.0  # where other programs take all cores
_LOOK_S = 0.1


class Closable(Protocol):
    """What owns threads."""

    def close(self, wait_s: float = 0.0) -> bool:
        """Ends the threads; waits up to `wait_s` for them; returns whether some still work."""
        ...


class _Patience:
    """Seconds to wait, of which those that a thread waits for a core do not count.

    An inference that would end within them gets there however busy the machine is.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s, self._begun_s = wait_s, time.monotonic()
        self._before = _run_delays_s()

    @property
    def left_s(self) -> float:
        """Until the next look; 0 where nothing is left."""
        passed_s = time.monotonic() - self._begun_s
        if passed_s > self._wait_s:
            now = _run_delays_s()
            delayed_s = max((now[t] - self._before.get(t, 0.0) for t in now), default=0.0)
            if passed_s > min(self._wait_s + delayed_s, _LONGEST_S):
                return 0.0
            return _LOOK_S
        return min(_LOOK_S, self._wait_s - passed_s)


def _run_delays_s() -> dict[str, float]:
    """How long each thread of this process has been ready without a core; Linux says it."""
    delays = {}
    for file in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # a thread that has just ended
            delays[file.parent.name] = int(file.read_text().split()[1]) * 1e-9
    return delays


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
        patience = _Patience(wait_s)
        with self._changed:
            self._ended = True
            while self._frames and (left_s := patience.left_s):
                self._changed.wait(left_s)
        for owner in list(self._owners):
            while owner.close(left_s := patience.left_s) and left_s:
                pass


PROGRAM_END = ProgramEnd()
os.register_at_fork(after_in_child=PROGRAM_END.renew)
atexit.register(PROGRAM_END.end)
