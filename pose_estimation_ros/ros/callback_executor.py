"""The node's executor: subscriptions run at once, slow callbacks in other threads."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.context import Context
from rclpy.executors import (
    ConditionReachedException,
    Executor,
    ShutdownException,
    TimeoutException,
)
from rclpy.service import Service
from rclpy.task import Future
from rclpy.timer import Timer

_THREADS = 4
_HANDING_OVER_S = 0.0005


class SlowCallbackGroup(MutuallyExclusiveCallbackGroup):
    """A group of slow callbacks, which CameraExecutor runs outside of the spinning thread."""


class CameraExecutor(Executor):
    """Runs subscriptions in the spinning thread; services, timers and slow groups in a pool.

    rclpy's MultiThreadedExecutor hands every message to a thread of its pool, and until that
    thread has begun, which needs the interpreter's lock, it finds and hands over the same message
    again and again, holding that lock. On two cores, two cameras of 30 Hz then arrive at
    5 Hz each. A camera's callback only puts its image into a mailbox: nothing is gained by a
    thread for it.
    """

    def __init__(self, *, context: Context | None = None) -> None:
        super().__init__(context=context)
        self._pool = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="callback")
        self._handed_over: dict[Any, concurrent.futures.Future[None]] = {}  # what was handed over
        self._failures: SimpleQueue[BaseException] = SimpleQueue()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Runs one callback, or hands it to the pool.

        Raises:
            Exception: what a callback raised, this one or an earlier one beside.
            ExternalShutdownException: the context was shut down.
        """
        self._once(timeout_sec, lambda: False)

    def spin_once_until_future_complete(
        self, future: Future, timeout_sec: Any | None = None
    ) -> None:
        """As `spin_once`, but ends also when `future` is done."""
        future.add_done_callback(lambda _: self.wake())
        self._once(timeout_sec, future.done)

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Stops; returns whether all callbacks finished within `timeout_sec`.

        What one of them still uses could not be destroyed, and rclpy itself does not wait for it.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        # `wait` would wait for ever for what a pool cancels: that never counts as over to it.
        begun = [run for run in self._handed_over.values() if not run.cancelled()]
        _, late = concurrent.futures.wait(begun, timeout_sec)
        return bool(super().shutdown(timeout_sec)) and not late

    def _once(self, timeout_sec: Any | None, condition: Callable[[], bool]) -> None:
        try:
            ready: Any = self.wait_for_ready_callbacks(timeout_sec, None, condition)
        except (ShutdownException, TimeoutException, ConditionReachedException):
            return
        task, entity, _ = ready
        if task in self._handed_over:
            # Its thread has not begun: rclpy offers it again, and would do so for ever.
            time.sleep(_HANDING_OVER_S)
        elif _is_slow(entity):
            # Here, not for every image: only what is handed over adds to them.
            self._handed_over = {t: run for t, run in self._handed_over.items() if not run.done()}
            self._handed_over[task] = self._pool.submit(self._run_in_pool, task)
        else:
            task()
            task.result()
        try:
            raise self._failures.get_nowait()
        except Empty:
            pass

    def _run_in_pool(self, task: Any) -> None:
        task()
        if (failure := task.exception()) is not None:
            self._failures.put(failure)
            self.wake()


def _is_slow(entity: Any) -> bool:
    if entity is None:  # a task of `create_task`, as rclpy makes for what awaits an answer
        return False
    slow = isinstance(entity.callback_group, SlowCallbackGroup)
    return slow or isinstance(entity, (Service, Timer))
