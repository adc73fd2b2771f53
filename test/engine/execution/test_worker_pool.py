"""The pool of workers: even chunks, results in order, cancellation, threads that hang."""

import threading
import time

import pytest

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.worker_pool import WorkerPool, chunk_sizes
from pose_estimation_ros.errors import CancelledError


@pytest.mark.parametrize(
    ("items", "workers", "largest", "sizes"),
    [
        (0, 2, 8, []),
        (1, 2, 8, [1]),
        (3, 2, 8, [2, 1]),
        (18, 2, 8, [5, 5, 4, 4]),
        (18, 1, 8, [6, 6, 6]),
        (5, 4, 1, [1] * 5),
    ],
)
def test_chunks_are_even_and_keep_every_worker_busy(
    items: int, workers: int, largest: int, sizes: list
) -> None:
    assert chunk_sizes(items, workers, largest) == sizes


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order(workers: int) -> None:
    pool = WorkerPool(workers)

    def work(item: int) -> int:
        time.sleep(0.002 * (10 - item))
        return item * item

    assert pool.map(work, list(range(10)), CancelToken()) == [i * i for i in range(10)]
    pool.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_work_not_begun_is_given_up(workers: int) -> None:
    pool, token = WorkerPool(workers), CancelToken()
    done: list[int] = []

    def work(item: int) -> None:
        done.append(item)
        token.cancel()

    with pytest.raises(CancelledError):
        pool.map(work, list(range(50)), token)
    assert 1 <= len(done) <= workers
    pool.close()


def test_workers_that_hang_are_replaced() -> None:
    pool = WorkerPool(2)
    release = threading.Event()

    def work(item: int) -> int:
        if item < 0:
            release.wait(30)
        return item * 2

    stuck = threading.Thread(target=lambda: pool.map(work, [-1, -2], CancelToken()), daemon=True)
    stuck.start()
    time.sleep(0.05)
    pool.renew()
    assert pool.map(work, [1, 2, 3], CancelToken()) == [2, 4, 6]
    release.set()
    stuck.join(10)
    pool.close()
