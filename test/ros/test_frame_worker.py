"""The thread that answers images: turns, replacement, and its end, with real threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.ros.frame_worker import FrameWorker, ReceivedImage

PATIENCE_S = 10.0


def _image(sequence: int) -> ReceivedImage:
    return ReceivedImage(None, sequence, 0, 0.0)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class _Gate:
    """An answer that begins, and ends when it may."""

    def __init__(self) -> None:
        self.answered: list[int] = []
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.cancelled: bool | None = None

    def __call__(self, image: ReceivedImage, cancel: CancelToken) -> None:
        self.begun.set()
        assert self.may_end.wait(PATIENCE_S)
        self.cancelled = cancel.cancelled
        self.answered.append(image.sequence)


def test_cameras_take_turns_and_newer_images_replace_older_ones() -> None:
    worker = FrameWorker(cameras=2)
    first, second = _Gate(), _Gate()
    front, rear = worker.slot(first), worker.slot(second)
    worker.start()
    assert worker.running and not front.put(_image(0))
    assert first.begun.wait(PATIENCE_S)
    assert [front.put(_image(1)), front.put(_image(2)), rear.put(_image(0))] == [
        False,
        True,
        False,
    ]
    assert (front.waiting, rear.waiting) == (1, 1)
    first.may_end.set()
    second.may_end.set()
    _until(lambda: len(first.answered) == 2 and len(second.answered) == 1)
    assert first.answered == [0, 2]
    worker.stop()
    assert worker.wait(PATIENCE_S)


def test_stopping_cancels_the_image_in_work_and_waits_for_it() -> None:
    worker, gate = FrameWorker(cameras=1), _Gate()
    slot = worker.slot(gate)
    worker.start()
    slot.put(_image(0))
    assert gate.begun.wait(PATIENCE_S)
    worker.stop()
    assert not worker.running and not worker.wait(0.05)
    slot.put(_image(1))
    assert slot.clear() == 1 and slot.clear() == 0
    gate.may_end.set()
    assert worker.wait(PATIENCE_S) and gate.cancelled is True
    assert gate.answered == [0]


def test_it_starts_again_after_a_stop() -> None:
    worker, gate = FrameWorker(cameras=1), _Gate()
    slot = worker.slot(gate)
    gate.may_end.set()
    for sequence in range(3):
        worker.start()
        slot.put(_image(sequence))
        _until(lambda count=sequence + 1: len(gate.answered) == count)
        worker.stop()
        assert worker.wait(PATIENCE_S)
    assert gate.answered == [0, 1, 2] and gate.cancelled is False


def test_an_image_answered_at_once_waits_for_the_one_in_work() -> None:
    worker, gate = FrameWorker(cameras=1), _Gate()
    slot = worker.slot(gate)
    worker.start()
    slot.put(_image(0))
    assert gate.begun.wait(PATIENCE_S)
    caller = threading.Thread(target=slot.answer_now, args=(_image(1),))
    caller.start()
    caller.join(0.05)
    assert caller.is_alive() and gate.answered == []
    gate.may_end.set()
    caller.join(PATIENCE_S)
    assert gate.answered == [0, 1]
    worker.stop()


def test_a_newer_image_is_waited_for() -> None:
    worker = FrameWorker(cameras=1)
    slot = worker.slot(_Gate())
    assert slot.take_newer(0.01) is None
    timer = threading.Timer(0.05, slot.put, (_image(7),))
    timer.start()
    newer = slot.take_newer(PATIENCE_S)
    assert newer is not None and newer.sequence == 7
