"""The one-slot mailboxes and the worker pool."""

import threading
import time

import pytest

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.mailbox import Mailboxes
from pose_estimation_ros.engine.execution.workers import Helpers, WorkerPool, chunk_sizes
from pose_estimation_ros.errors import CancelledError


def test_the_newest_item_replaces_the_one_that_waits() -> None:
    boxes: Mailboxes[int] = Mailboxes(1)
    assert not boxes.put(0, 1)
    assert boxes.put(0, 2)
    assert boxes.take(0) == (0, 2)
    assert boxes.take(0) is None


def test_cameras_take_turns() -> None:
    boxes: Mailboxes[str] = Mailboxes(3)
    taken = []
    for _ in range(6):
        for camera in range(3):
            boxes.put(camera, "frame")
        item = boxes.take(0)
        assert item is not None
        taken.append(item[0])
    assert taken == [0, 1, 2, 0, 1, 2]


def test_nothing_is_lost_or_doubled_under_load() -> None:
    boxes: Mailboxes[int] = Mailboxes(2)
    taken: dict[int, list[int]] = {0: [], 1: []}
    replaced = [0, 0]

    def put(camera: int) -> None:
        for number in range(20_000):
            replaced[camera] += boxes.put(camera, number)

    def take() -> None:
        while (item := boxes.take(0.5)) is not None:
            taken[item[0]].append(item[1])

    threads = [threading.Thread(target=put, args=(camera,)) for camera in (0, 1)]
    threads.append(threading.Thread(target=take))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for camera in (0, 1):
        assert len(taken[camera]) + replaced[camera] == 20_000
        assert taken[camera] == sorted(set(taken[camera]))
        assert taken[camera][-1] == 19_999


def test_a_newer_item_is_waited_for_but_only_so_long_and_only_of_its_camera() -> None:
    boxes: Mailboxes[int] = Mailboxes(2)
    boxes.put(1, 7)
    assert boxes.take_newer(0, 0.01) is None
    later = threading.Timer(0.05, boxes.put, (0, 2))
    later.start()
    assert boxes.take_newer(0, 10) == 2
    assert boxes.take(0) == (1, 7)
    later.join()


def test_closing_wakes_a_taker() -> None:
    boxes: Mailboxes[int] = Mailboxes(1)
    results: list[object] = ["untouched"]
    thread = threading.Thread(target=lambda: results.append(boxes.take()))
    thread.start()
    boxes.close()
    thread.join(5)
    assert results[-1] is None and not thread.is_alive()


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


def test_a_helpers_own_job_may_be_what_closes_it() -> None:
    """As where a pipeline goes while its detector still looks at the last frame."""
    helpers = Helpers(2, "closing")
    helpers.submit(lambda: helpers.close(wait_s=5)).result(timeout=10)
