"""Threads that work for others: a pool that V4 spreads its crops over, and single helpers."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from pose_estimation_ros.engine.execution.cancel import CancelToken

T = TypeVar("T")
R = TypeVar("R")

LAST_JOBS_S = 2.0  # longer only if one hangs
_Job = tuple[Future[Any], Callable[[], Any]]


def chunk_sizes(items: int, workers: int, largest: int) -> list[int]:
    """Sizes of as few, as even chunks as keep every worker busy; none is over `largest`.

    Their number is a multiple of the workers, so that nobody waits for one that has more to do.
    """
    if items == 0:
        return []
    chunks = min(items, math.ceil(items / largest / workers) * workers)
    base, extra = divmod(items, chunks)
    return [base + 1] * extra + [base] * (chunks - extra)


class Helpers:
    """A few threads that take jobs from one queue.

    They are daemons, unlike those of concurrent.futures: one that hangs in a native library must
    not keep the process from ending.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{index}", daemon=True)
            for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Callable[[], R]) -> Future[R]:
        """Puts a job in the queue; the future gives its result or raises its error."""
        future: Future[R] = Future()
        self._jobs.put((future, job))
        return future

    def close(self, wait_s: float = 0.0) -> None:
        """Ends the threads after the jobs that they have, and waits so long for them.

        A job may hold the last reference to what owns the threads: then one of them comes here.
        """
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + wait_s
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

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


class WorkerPool:
    """Threads that live as long as the pool; with one worker the caller's thread does the work."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = self._make()
        self._lock = threading.Lock()
        self._busy_s = 0.0
        self.most = workers

    @property
    def busy_s(self) -> float:
        """Seconds that the workers have worked so far, of all of them together."""
        with self._lock:
            return self._busy_s

    def _make(self) -> Helpers | None:
        return Helpers(self.workers, "pose_worker") if self.workers > 1 else None

    def map(self, do: Callable[[T], R], items: Sequence[T], cancel: CancelToken) -> list[R]:
        """The results in the order of the items.

        Items not yet started when the token is cancelled, or when another item fails, never start.

        Raises:
            CancelledError: the token was cancelled before everything had started.
        """

        def one(item: T) -> R:
            cancel.check()
            began = time.perf_counter()
            try:
                return do(item)
            finally:
                with self._lock:
                    self._busy_s += time.perf_counter() - began

        if self.most < self.workers:  # here, as another thread could be just handing out work
            self._give_up(self.most)
        pool = self._pool
        if pool is None or len(items) == 1:
            return [one(item) for item in items]
        futures = [pool.submit(partial(one, item)) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def renew(self) -> None:
        """Gives up threads that hang and goes on with new ones."""
        pool, self._pool = self._pool, self._make()
        if pool is not None:
            pool.close()

    def shrink(self, workers: int) -> None:
        """From the next call of `map` on there are no more workers than that."""
        self.most = workers

    def _give_up(self, workers: int) -> None:
        pool = self._pool
        self.workers = workers
        self._pool = self._make()
        if pool is not None:
            pool.close()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close(LAST_JOBS_S)
