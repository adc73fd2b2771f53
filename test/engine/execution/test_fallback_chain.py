"""A chain answers every frame while its candidates fail, hang, come back and are shared."""

from __future__ import annotations

import logging
import re
import threading
import time
from functools import partial

import pytest

from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.fallback_chain import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    FallbackChain,
    retry_after_s,
)
from pose_estimation_ros.errors import CancelledError, InputError, ModelError


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Model:
    """Answers with its name, or fails while it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.broken = False

    def answer(self) -> str:
        if self.broken:
            raise RuntimeError("broken on purpose")
        return self.name


def chain_of(*names: str, **options) -> tuple[FallbackChain[Model], dict[str, Model], Clock]:
    """A chain of such models; each is one object, however often it is loaded."""
    models = {name: Model(name) for name in names}
    clock = Clock()
    candidates = [Candidate.of(name, lambda name=name: models[name]) for name in names]
    return FallbackChain("thing", candidates, clock, **options), models, clock


def loaders() -> list[threading.Thread]:
    """The threads in which a chain loads models in the background."""
    return [thread for thread in threading.enumerate() if thread.name == "model_loader"]


def wait_for_loading() -> None:
    for thread in loaders():
        thread.join(10)
        assert not thread.is_alive()


def seconds_to_next_try(line: str) -> float:
    """What a chain's log line says of the next try."""
    match = re.search(r"next try in (\d+) s", line)
    assert match, line
    return float(match[1])


def test_the_next_candidate_answers_the_same_frame(caplog: pytest.LogCaptureFixture) -> None:
    chain, models, _ = chain_of("best", "second")
    assert chain.call(Model.answer) == "best"
    models["best"].broken = True
    with caplog.at_level(logging.WARNING):
        assert chain.call(Model.answer) == "second"
        assert chain.call(Model.answer) == "second"
    (line,) = caplog.messages
    assert line.startswith("thing best failed (RuntimeError: broken on purpose")
    assert "using second; next try in 10 s" in line
    status = chain.status
    assert (status.active, status.index, status.last, status.failures) == ("second", 1, 1, 1)
    assert "broken on purpose" in status.reasons[0]


def test_a_failed_candidate_comes_back_without_costing_a_frame() -> None:
    chain, models, clock = chain_of("best", "second")
    models["best"].broken = True
    assert chain.call(Model.answer) == "second"
    models["best"].broken = False
    clock.now += FIRST_RETRY_S
    assert chain.call(Model.answer) == "second"  # meanwhile it is loaded in the background
    wait_for_loading()
    assert chain.call(Model.answer) == "best"
    assert chain.status.reasons == []


def test_retries_become_rarer(caplog: pytest.LogCaptureFixture) -> None:
    chain, models, clock = chain_of("best", "second")
    models["best"].broken = True
    waits = []
    chain.call(Model.answer)
    for _ in range(7):
        waits.append(seconds_to_next_try(caplog.messages[-1]))
        clock.now += waits[-1] - 0.1
        chain.call(Model.answer)
        assert not loaders()
        clock.now += 0.1
        chain.call(Model.answer)
        wait_for_loading()
        chain.call(Model.answer)
    assert waits == [10, 20, 40, 80, 160, 300, 300]


def test_loading_again_proves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    chain, models, clock = chain_of("best", "second")
    chain.call(Model.answer)
    models["best"].broken = True
    chain.call(Model.answer)
    clock.now += FIRST_RETRY_S
    chain.call(Model.answer)
    wait_for_loading()
    assert chain.load().name == "second"
    chain.call(Model.answer)
    assert seconds_to_next_try(caplog.messages[-1]) == 2 * FIRST_RETRY_S


def test_a_retry_that_takes_long_to_load_holds_no_frame_up() -> None:
    go = threading.Event()
    first = [True]

    def load() -> Model:
        if first.pop() if first else False:
            raise ModelError("not yet")
        go.wait(10)
        return Model("best")

    clock = Clock()
    candidates = [Candidate.of("best", load), Candidate.of("second", lambda: Model("second"))]
    chain = FallbackChain("thing", candidates, clock)
    assert chain.call(Model.answer) == "second"
    clock.now += FIRST_RETRY_S
    assert [chain.call(Model.answer) for _ in range(20)] == ["second"] * 20
    go.set()
    wait_for_loading()
    assert chain.call(Model.answer) == "best"


def test_a_slow_candidate_is_waited_for_at_first_and_never_in_a_frame() -> None:
    loads = []

    def slow(*, urgent: bool) -> Model:
        loads.append(threading.current_thread().name)
        return Model("slow")

    first = Model("first")
    candidates = [
        Candidate.of("first", lambda: first),
        Candidate("slow", slow, slow=True),
        Candidate.of("last", lambda: Model("last")),
    ]
    chain = FallbackChain("thing", candidates, Clock())
    assert chain.call(Model.answer) == "first"
    first.broken = True
    assert chain.call(Model.answer) == "last"
    wait_for_loading()
    assert chain.call(Model.answer) == "slow"
    assert loads == ["model_loader"]
    # Before the first answer nothing better is to be had, so it is loaded there and then.
    fresh = FallbackChain("thing", [Candidate("slow", slow, slow=True)], Clock())
    assert fresh.load().name == "slow"


def test_only_what_a_frame_waits_for_is_loaded_urgently() -> None:
    loads: list[tuple[str, bool]] = []
    loaded: dict[str, Model] = {}

    def load(name: str, *, urgent: bool) -> Model:
        loads.append((name, urgent))
        loaded[name] = Model(name)
        return loaded[name]

    clock = Clock()
    candidates = [Candidate(name, partial(load, name)) for name in ("best", "second")]
    chain = FallbackChain("thing", candidates, clock)
    chain.load().broken = True
    chain.call(Model.answer)  # before the first answer nothing is urgent
    chain.call(Model.answer)
    loaded["second"].broken = True
    clock.now += FIRST_RETRY_S
    assert chain.call(Model.answer) == "best"  # nothing else is left, so its retry is waited for
    chain.load().broken = True
    clock.now += FIRST_RETRY_S
    chain.call(Model.answer)
    assert loads[0] == ("best", False)
    assert ("second", True) in loads
    assert ("best", True) not in loads


def test_where_nothing_else_is_left_a_frame_waits_for_what_is_loading() -> None:
    first = Model("first")
    slow = Candidate("slow", lambda urgent: Model("slow"), slow=True)
    chain = FallbackChain("thing", [Candidate.of("first", lambda: first), slow], Clock())
    chain.call(Model.answer)
    first.broken = True
    assert chain.call(Model.answer) == "slow"


def test_every_candidate_and_its_reason_are_named_when_all_fail() -> None:
    def load() -> Model:
        raise ModelError("file is gone")

    chain = FallbackChain("thing", [Candidate.of("a", load), Candidate.of("b", load)], Clock())
    with pytest.raises(ModelError, match="no thing is usable: a: file is gone; b: file is gone"):
        chain.call(Model.answer)


@pytest.mark.parametrize("error", [CancelledError("given up"), InputError("no image")])
def test_what_is_no_fault_of_the_candidate_is_passed_on(error: Exception) -> None:
    chain, _, _ = chain_of("best", "second", timeout_s=5.0)

    def use(_model: Model) -> str:
        raise error

    with pytest.raises(type(error)):
        chain.call(use)
    assert chain.call(Model.answer) == "best"


def test_a_call_that_hangs_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    renewed = []
    chain, _models, clock = chain_of(
        "best", "second", timeout_s=0.2, on_timeout=lambda: renewed.append(True)
    )
    release = threading.Event()

    def use(model: Model) -> str:
        if model.name == "best":
            release.wait(30)
        return model.name

    with caplog.at_level(logging.WARNING):
        assert chain.call(use) == "second"
    assert "no answer within 0.2 s" in caplog.messages[0]
    assert renewed == [True]
    clock.now += 1000
    chain.call(use)
    assert chain.hangs and not loaders()  # while it hangs, another call would hang too
    release.set()
    deadline = time.monotonic() + 10
    while chain.hangs and time.monotonic() < deadline:
        time.sleep(0.01)
    chain.call(Model.answer)
    wait_for_loading()
    assert chain.call(Model.answer) == "best"


def test_an_error_of_the_call_is_passed_through_the_time_limit() -> None:
    chain, _, _ = chain_of("only", timeout_s=5.0)

    def use(_model: Model) -> str:
        raise TimeoutError("the model's own")

    with pytest.raises(ModelError, match="the model's own"):
        chain.call(use)


def test_a_call_goes_on_while_another_threads_call_fails() -> None:
    chain, models, _clock = chain_of("best", "second", timeout_s=5.0)
    inside, go_on = threading.Event(), threading.Event()
    answers: list[str] = []

    def linger(model: Model) -> str:
        inside.set()
        assert go_on.wait(10)
        return model.name

    thread = threading.Thread(target=lambda: answers.append(chain.call(linger)))
    thread.start()
    assert inside.wait(10)
    models["best"].broken = True
    assert chain.call(Model.answer) == "second"
    go_on.set()
    thread.join(10)
    assert answers == ["best"]


def test_many_threads_and_a_flickering_candidate_lose_no_call() -> None:
    chain, models, clock = chain_of("best", "second", timeout_s=5.0)
    stop = threading.Event()
    lost: list[Exception] = []
    answered = [0] * 4

    def work(index: int) -> None:
        while not stop.is_set():
            try:
                chain.call(Model.answer)
                answered[index] += 1
            except Exception as error:
                lost.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for round_ in range(60):
        models["best"].broken = round_ % 2 == 0
        clock.now += 400
        time.sleep(0.005)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert not lost
    assert min(answered) > 0
    assert chain.status.failures > 1


def test_failures_in_a_row_double_the_time_to_the_next_try() -> None:
    waits = [retry_after_s(failures) for failures in (1, 2, 3, 4, 5, 6, 7, 10**6)]
    assert waits == [10, 20, 40, 80, 160, LONGEST_RETRY_S, LONGEST_RETRY_S, LONGEST_RETRY_S]
