"""Calls with a time limit: the thread of a call that takes longer is abandoned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from pose_estimation_ros.engine.execution.daemon_threads import DaemonThreads
from pose_estimation_ros.errors import ModelError

R = TypeVar("R")


class CallTimeoutError(ModelError):
    """A call took longer than it may. `call` is the future of that call, which goes on."""

    def __init__(self, call: Future[Any], timeout_s: float) -> None:
        super().__init__(
            f"no answer within {timeout_s:g} s: the machine is overloaded or the runtime hangs"
        )
        self.call = call


class TimedCalls:
    """Runs each call in a thread of its own, so that the caller can leave one that hangs.

    Idle threads are kept for later calls. Without a limit (0 s) calls run in the caller's thread.
    Thread-safe.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._idle: list[DaemonThreads] = []
        self._lock = threading.Lock()

    def run(self, job: Callable[[], R]) -> R:
        """The job's result; its errors are passed on.

        Raises:
            CallTimeoutError: it takes longer than the limit.
        """
        if self._timeout_s <= 0:
            return job()
        thread = self._take_thread()
        call = thread.submit(job)
        try:
            return call.result(self._timeout_s)
        except FutureTimeoutError as error:
            if call.done():  # the job's own error of that type
                raise
            raise CallTimeoutError(call, self._timeout_s) from error
        finally:
            if call.done():
                self._idle.append(thread)
            else:
                thread.close()

    def close(self) -> None:
        """Ends the idle threads."""
        idle, self._idle = self._idle, []
        for thread in idle:
            thread.close()

    def _take_thread(self) -> DaemonThreads:
        with self._lock:
            return self._idle.pop() if self._idle else DaemonThreads(1, "model_call")
