"""Calls with a time limit come back in time, and their threads are kept or abandoned."""

from __future__ import annotations

import threading

import pytest

from pose_estimation_ros.engine.execution.timed_call import CallTimeoutError, TimedCalls


def test_without_a_limit_the_caller_does_the_work() -> None:
    assert TimedCalls(0.0).run(threading.current_thread) is threading.current_thread()


def test_an_idle_thread_is_used_again() -> None:
    calls = TimedCalls(5.0)
    first = calls.run(threading.current_thread)
    assert first is not threading.current_thread()
    assert calls.run(threading.current_thread) is first
    calls.close()
    first.join(5)
    assert not first.is_alive()


def test_a_call_that_hangs_is_left_with_its_thread() -> None:
    calls, release = TimedCalls(0.1), threading.Event()

    def hang() -> threading.Thread:
        release.wait(30)
        return threading.current_thread()

    with pytest.raises(CallTimeoutError, match=r"no answer within 0\.1 s") as caught:
        calls.run(hang)
    assert not caught.value.call.done()
    next_thread = calls.run(threading.current_thread)
    release.set()
    hung_thread = caught.value.call.result(10)
    assert hung_thread is not next_thread
    hung_thread.join(5)
    assert not hung_thread.is_alive(), "its thread ends once the call is over"
    calls.close()


@pytest.mark.parametrize("error", [TimeoutError("the job's own"), ValueError("bad")])
def test_the_jobs_own_errors_are_passed_on(error: Exception) -> None:
    calls = TimedCalls(5.0)

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        calls.run(fail)
    assert caught.value is error
    calls.close()
