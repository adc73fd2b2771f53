"""The one-slot mailboxes."""

import threading

from pose_estimation_ros.engine.execution.mailbox import Mailboxes


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
