"""An executor whose threads never keep the process from ending."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from pose_estimation_ros.engine.execution.lifetime import Lifetime
from pose_estimation_ros.engine.execution.program_end import PROGRAM_END

R = TypeVar("R")

_Job = tuple[Future[Any], Callable[[], Any]]


class DaemonThreads:
    """A few threads that take jobs from one queue.

    They are daemons, unlike those of concurrent.futures: one that hangs in a native library must
    not keep the process from ending. Those that do not hang are ended before Python is.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._lifetime = Lifetime("the models")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{index}", daemon=True)
            for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()
        PROGRAM_END.add(self)

    def submit(self, job: Callable[[], R]) -> Future[R]:
        """Puts a job in the queue; the future gives its result or raises its error.

        Raises:
            ClosedError: nobody would take it.
        """
        self._lifetime.check()
        future: Future[R] = Future()
        # In the context of who asks: what is logged is then said by the node that it is done for.
        self._jobs.put((future, partial(contextvars.copy_context().run, job)))
        return future

    def close(self, wait_s: float = 0.0) -> bool:
        """Ends the threads after the jobs that they have; waits up to `wait_s` for them.

        Returns whether some still work. A job may hold the last reference to what owns the
        threads: then one of them comes here.
        """
        if self._lifetime.in_another_process:
            return False
        self._lifetime.end()
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + wait_s
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while True:
            taken = self._jobs.get()
            if taken is None:
                return
            future, job = taken
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:  # carried to whoever waits for the result
                future.set_exception(error)
            # An idle thread must not keep the last frame and model alive.
            del taken, future, job
