"""A candidate does not change; its state keeps the model, the last failure and the next try."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from pose_estimation_ros.engine.execution.candidate import Candidate, CandidateState
from pose_estimation_ros.errors import ModelError


def test_a_candidate_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Candidate.of("a", str).name = "b"


def test_a_model_is_loaded_once_by_many_threads() -> None:
    loads: list[bool] = []
    go = threading.Event()

    def load(*, urgent: bool) -> object:
        loads.append(urgent)
        go.wait(10)
        return object()

    state = CandidateState(Candidate("a", load))
    models: list[object] = []
    threads = [
        threading.Thread(target=lambda: models.append(state.load(urgent=True))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert loads == [True]
    assert len(models) == 4 and len(set(map(id, models))) == 1


def test_a_failed_candidate_waits_for_its_retry() -> None:
    state = CandidateState(Candidate.of("a", str))
    assert not state.retry_due(1e9), "it has not failed"
    state.load(urgent=False)
    state.record_failure(ModelError("gone"), now_s=100.0, retry_after_s=20.0)
    assert state.model is None, "a broken model is not kept"
    assert not state.retry_due(119.0)
    assert state.retry_due(120.0)
    state.record_failure(ModelError("gone"), now_s=120.0, retry_after_s=40.0)
    assert state.failures_in_a_row == 2
    state.record_success()
    assert not state.failed
    assert state.failures_in_a_row == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelError("two\n lines"), "two lines"),
        (ValueError("bad"), "ValueError: bad; get or convert the model again if this stays"),
        (KeyError(), "KeyError"),
        (ModelError("x" * 999), "x" * 300),
    ],
)
def test_the_reason_is_one_line(error: Exception, reason: str) -> None:
    state = CandidateState(Candidate.of("a", str))
    state.record_failure(error, now_s=0.0, retry_after_s=1.0)
    assert state.reason == reason
