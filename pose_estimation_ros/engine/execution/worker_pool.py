"""A pool of worker threads over which a frame's crops are spread, and its size."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.cpu_features import usable_cores
from pose_estimation_ros.engine.execution.daemon_threads import DaemonThreads
from pose_estimation_ros.errors import ClosedError
from pose_estimation_ros.settings import EngineConfig

T = TypeVar("T")
R = TypeVar("R")

_MOST_WORKERS = 4  # however many cores there are
LAST_JOBS_S = 2.0  # how long closing waits; reached only if a job hangs


def worker_layout(config: EngineConfig) -> tuple[int, int]:
    """The number of workers and of threads for each, whose product stays within the cores.

    One person cannot be split, so V3 gives one worker all cores. Many persons can, and are done
    sooner by single-threaded workers, which do not wait for each other.
    """
    cores = usable_cores()
    threads = min(config.threads, cores) if config.threads > 0 else cores
    if not config.enable_threading or config.pipeline == "v3":
        workers = 1
    else:
        workers = config.num_workers if config.num_workers > 0 else min(threads, _MOST_WORKERS)
    workers = min(workers, threads)
    return workers, threads // workers


def chunk_sizes(items: int, workers: int, largest: int) -> list[int]:
    """Sizes of as few, as even chunks as keep every worker busy; none is over `largest`.

    Their number is a multiple of the workers, so that nobody waits for one that has more to do.
    """
    if items == 0:
        return []
    chunks = min(items, math.ceil(items / largest / workers) * workers)
    base, extra = divmod(items, chunks)
    return [base + 1] * extra + [base] * (chunks - extra)


class WorkerPool:
    """Threads that live as long as the pool; with one worker the caller's thread does the work.

    `limit` is the number of workers from the next call of `map` on.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.limit = workers
        self._threads = self._start()
        self._lock = threading.Lock()
        self._busy_s = 0.0

    @property
    def busy_s(self) -> float:
        """Seconds of work done so far, summed over the workers."""
        with self._lock:
            return self._busy_s

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

        if self.limit < self.workers:  # here, as another thread could be just handing out work
            self.workers = self.limit
            self.renew()
        threads = self._threads
        if threads is None or len(items) == 1:
            return [one(item) for item in items]
        futures: list[Future[R]] = []
        try:
            futures += (threads.submit(partial(one, item)) for item in items)
            return [future.result() for future in futures]
        except ClosedError:
            if threads is self._threads:
                raise
            # Another thread's call timed out meanwhile, and all were renewed.
            return self.map(do, items, cancel)
        finally:
            for future in futures:
                future.cancel()

    def renew(self) -> None:
        """Abandons the threads, of which some may hang, and goes on with new ones."""
        threads, self._threads = self._threads, self._start()
        if threads is not None:
            threads.close()

    def shrink(self, workers: int) -> None:
        """Limits the workers from the next call of `map` on."""
        self.limit = workers

    def close(self) -> None:
        """Ends the threads after the work that they have."""
        if self._threads is not None:
            self._threads.close(LAST_JOBS_S)

    def _start(self) -> DaemonThreads | None:
        return DaemonThreads(self.workers, "pose_worker") if self.workers > 1 else None
