"""Which thread runs which callback of the node, and that nothing keeps the others waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import rclpy
from processes import spin_until
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.task import Future
from std_msgs.msg import Int64
from std_srvs.srv import Trigger

from pose_estimation_ros.ros.callback_executor import CameraExecutor, SlowCallbackGroup


@dataclass
class Spun:
    """A node and its executor, which the test's own thread spins."""

    node: Node
    executor: CameraExecutor
    threads: dict[str, int] = field(default_factory=dict)

    def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        spin_until(self.executor, condition, timeout_s)

    def note(self, name: str) -> None:
        self.threads[name] = threading.get_ident()


@pytest.fixture
def spun() -> Iterator[Spun]:
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node("executor_test", context=context)
    executor = CameraExecutor(context=context)
    executor.add_node(node)
    yield Spun(node, executor)
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


def _publisher(
    spun: Spun, topic: str, callback: Callable[[Int64], None], **how: object
) -> Publisher:
    spun.node.create_subscription(Int64, topic, callback, 50, **how)
    publisher = spun.node.create_publisher(Int64, topic, 50)
    spun.until(lambda: publisher.get_subscription_count() > 0)
    return publisher


def test_messages_are_answered_in_the_spinning_thread_in_order(spun: Spun) -> None:
    got: list[int] = []

    def take(message: Int64) -> None:
        spun.note("message")
        got.append(message.data)

    publisher = _publisher(spun, "numbers", take)
    for number in range(50):
        publisher.publish(Int64(data=number))
    spun.until(lambda: len(got) == 50)
    assert got == list(range(50))
    assert spun.threads["message"] == threading.get_ident()


def test_services_timers_and_slow_groups_run_beside(spun: Spun) -> None:
    """None of them, however long it takes, keeps a message waiting."""
    let_go = threading.Event()
    done: list[str] = []
    got: list[int] = []

    def hold(name: str) -> None:
        spun.note(name)
        assert let_go.wait(20)
        done.append(name)

    def serve(_request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        hold("service")
        return response

    groups = [SlowCallbackGroup() for _ in range(2)]
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    spun.node.create_timer(0.01, lambda: hold("timer"), callback_group=groups[0], clock=steady)
    slow = _publisher(spun, "slow", lambda _: hold("slow message"), callback_group=groups[1])
    own = MutuallyExclusiveCallbackGroup()
    quick = _publisher(spun, "quick", lambda m: got.append(m.data), callback_group=own)
    server = spun.node.create_service(Trigger, "trigger", serve)
    client = spun.node.create_client(Trigger, "trigger", callback_group=SlowCallbackGroup())
    spun.until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    slow.publish(Int64())
    spun.until(lambda: {"service", "timer", "slow message"} <= spun.threads.keys())
    quick.publish(Int64(data=7))
    spun.until(lambda: got == [7])
    assert not done
    let_go.set()
    spun.until(future.done)
    spun.until(lambda: {"service", "timer", "slow message"} <= set(done))
    assert threading.get_ident() not in spun.threads.values()
    spun.node.destroy_service(server)


def test_tasks_that_belong_to_no_entity_run(spun: Spun) -> None:
    """As rclpy makes one itself of what is to follow an answer of a service."""
    opened = Future()

    async def waits() -> str:
        spun.note("task")
        return str(await opened)

    task = spun.executor.create_task(waits)
    follows = spun.executor.create_task(lambda: opened.set_result("done"))
    spun.until(lambda: task.done() and follows.done())
    assert task.result() == "done"
    assert spun.threads["task"] == threading.get_ident()


def _take_all_threads(spun: Spun, count: int) -> tuple[threading.Event, list[int]]:
    """Holds `count` slow callbacks, of which four begin; what lets them go, and who has begun."""
    let_go = threading.Event()
    begun: list[int] = []

    def hold(message: Int64) -> None:
        begun.append(message.data)
        assert let_go.wait(20)

    publishers = [
        _publisher(spun, f"slow_{i}", hold, callback_group=SlowCallbackGroup())
        for i in range(count)
    ]
    for i, publisher in enumerate(publishers):
        publisher.publish(Int64(data=i))
    spun.until(lambda: len(begun) == 4)
    return let_go, begun


def test_what_waits_for_a_thread_does_not_keep_the_executor_busy(spun: Spun) -> None:
    """With all threads taken, one more callback is offered again and again; gently."""
    let_go, begun = _take_all_threads(spun, 6)
    rounds, end = 0, time.monotonic() + 0.5
    while time.monotonic() < end:
        spun.executor.spin_once(timeout_sec=0.05)
        rounds += 1
    let_go.set()
    spun.until(lambda: sorted(begun) == list(range(6)))
    assert rounds <= 1001  # each of them sleeps; a busy executor makes ten times as many


@pytest.mark.parametrize(
    "how", [{}, {"callback_group": SlowCallbackGroup()}], ids=["at once", "beside"]
)
def test_what_a_callback_raises_reaches_whoever_spins(spun: Spun, how: dict[str, object]) -> None:
    def fail(message: Int64) -> None:
        raise ArithmeticError(f"number {message.data}")

    publisher = _publisher(spun, "failing", fail, **how)
    publisher.publish(Int64(data=3))
    with pytest.raises(ArithmeticError, match="number 3"):
        spun.until(lambda: False)
    got: list[int] = []
    _publisher(spun, "after", lambda message: got.append(message.data)).publish(Int64(data=1))
    spun.until(lambda: got == [1])


def test_shutdown_waits_for_what_runs_beside(spun: Spun) -> None:
    """What a callback uses cannot be destroyed, and a process that ends then leaves it behind."""
    let_go, begun, over = threading.Event(), threading.Event(), threading.Event()

    def hold(_message: Int64) -> None:
        begun.set()
        assert let_go.wait(20)
        over.set()

    publisher = _publisher(spun, "slow", hold, callback_group=SlowCallbackGroup())
    publisher.publish(Int64())
    spun.until(begun.is_set)
    assert not spun.executor.shutdown(timeout_sec=0.05)
    threading.Timer(0.1, let_go.set).start()
    assert spun.executor.shutdown(timeout_sec=20)
    assert over.is_set()


def test_shutdown_does_not_wait_for_what_never_began(spun: Spun) -> None:
    """With all threads taken, more is handed over; a pool cancels it without saying so."""
    let_go, begun = _take_all_threads(spun, 5)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        spun.executor.spin_once(timeout_sec=0.05)
    threading.Timer(0.1, let_go.set).start()
    assert spun.executor.shutdown(timeout_sec=20)
    assert len(begun) == 4
