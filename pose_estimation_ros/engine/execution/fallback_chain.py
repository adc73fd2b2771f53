"""A fallback chain: candidates for one task, best first; where one fails, the next one answers."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from pose_estimation_ros.engine.execution.candidate import Candidate, CandidateState
from pose_estimation_ros.engine.execution.lifetime import Lifetime
from pose_estimation_ros.engine.execution.timed_call import CallTimeoutError, TimedCalls
from pose_estimation_ros.errors import CancelledError, InputError, ModelError

T = TypeVar("T")
R = TypeVar("R")

_log = logging.getLogger(__name__)

FIRST_RETRY_S = 10.0  # after a candidate's first failure; each further one in a row doubles it
LONGEST_RETRY_S = 300.0


def retry_after_s(failures_in_a_row: int) -> float:
    """How long after its last failure a candidate is tried again, from 1 failure on."""
    return float(min(FIRST_RETRY_S * 2.0 ** min(failures_in_a_row - 1, 60), LONGEST_RETRY_S))


@dataclass(frozen=True)
class ChainStatus:
    """The active model of a chain, and why better ones are not active.

    `index` is the active candidate's place in the chain, from 0 to `last`. `reasons` has a line
    for each candidate that failed and has not answered since; `failures` counts all failures
    since the start. `as_asked` is false where a fallback is active.
    """

    active: str
    index: int
    last: int
    reasons: list[str] = field(default_factory=list)
    failures: int = 0
    as_asked: bool = True


class FallbackChain(Generic[T]):
    """Calls the best candidate that works; one that failed is tried again, ever more rarely.

    A retry is loaded in the background while the other candidates answer. Thread-safe: a call that
    is running finishes undisturbed when another thread's call fails. With `timeout_s`, a call that
    takes longer counts as failed; its thread is abandoned, and `on_timeout` may replace what else
    hangs with it.
    """

    def __init__(
        self,
        name: str,
        candidates: Sequence[Candidate[T]],
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = 0.0,
        on_timeout: Callable[[], None] | None = None,
    ) -> None:
        if not candidates:
            raise ValueError(f"the {name} chain has no candidates")
        self.name = name
        self._states = [CandidateState(candidate) for candidate in candidates]
        self._clock = clock
        self._calls = TimedCalls(timeout_s)
        self._on_timeout = on_timeout
        self._lock = threading.Lock()
        self._lifetime = Lifetime("the models")
        self._active = 0
        self._answered = False
        self._failures = 0

    @property
    def status(self) -> ChainStatus:
        """What diagnostics show."""
        active = self._active
        return ChainStatus(
            active=self._states[active].name,
            index=active,
            last=len(self._states) - 1,
            reasons=[f"{state.name}: {state.reason}" for state in self._states if state.failed],
            failures=self._failures,
            as_asked=self._states[active].candidate.asked,
        )

    @property
    def hangs(self) -> bool:
        """Whether a call that was given up is still running."""
        return any(state.hangs for state in self._states)

    def load(self) -> T:
        """The active model; loads the best candidate that can be loaded where there is none yet.

        Raises:
            ModelError: no candidate can be loaded.
            ClosedError: the chain was closed, or this is a fork.
        """
        self._lifetime.check()
        for state in self._states:
            model = state.model
            if model is not None and not state.failed:
                return model
        return self._first_that_works(lambda model: model)

    @property
    def loaded(self) -> T | None:
        """The active model where it is loaded; loads nothing."""
        return self._states[self._active].model

    def call(self, use: Callable[[T], R]) -> R:
        """The result of `use` with the best candidate that works.

        Raises:
            ModelError: every candidate failed; the message names each with its reason.
            CancelledError, InputError: passed on; neither is a failure of the candidate.
            ClosedError: the chain was closed, or this is a fork.
        """
        self._lifetime.check()
        return self._first_that_works(lambda model: self._calls.run(partial(use, model)))

    def close(self) -> None:
        """Ends the threads that wait for calls; no further call is answered."""
        self._lifetime.end()
        self._calls.close()

    def _first_that_works(self, use: Callable[[T], R]) -> R:
        failed: list[CandidateState[T]] = []  # in this call: the log names who answers instead
        for last_try in (False, True):
            for index, state in enumerate(self._states):
                model = self._ready_model(state, failed)
                if model is None:
                    continue
                try:
                    result = use(model)
                except (CancelledError, InputError):
                    raise
                except Exception as error:  # whatever a model or its runtime may throw
                    if isinstance(error, CallTimeoutError):
                        self._abandon(state, error)
                    self._fail(state, model, error, failed)
                    continue
                self._succeed(index)
                self._report(failed, f"using {state.name}")
                return result
            if last_try or not self._wait_for_loaders():
                break
        self._report(failed, "nothing is left to fall back to")
        reasons = "; ".join(f"{state.name}: {state.reason}" for state in self._states)
        raise ModelError(f"no {self.name} is usable: {reasons}")

    def _ready_model(self, state: CandidateState[T], failed: list[CandidateState[T]]) -> T | None:
        """The candidate's model if it can be used now; starts to load it where that is due."""
        model = state.model
        if model is not None or state.loader is not None:
            return model
        if not state.failed and not (state.candidate.slow and self._answered):
            try:
                # The first load, at the start, may take its time.
                return state.load(urgent=self._answered)
            except CancelledError:
                raise
            except Exception as error:  # as above
                self._fail(state, None, error, failed)
                return None
        if not state.failed or state.retry_due(self._clock()):
            self._load_in_background(state)
        return None

    def _load_in_background(self, state: CandidateState[T]) -> None:
        def work() -> None:
            failed: list[CandidateState[T]] = []
            try:
                state.model = state.candidate.load(urgent=False)
            except Exception as error:  # as above
                self._fail(state, None, error, failed)
            finally:
                state.loader = None
            self._report(failed, f"still using {self._states[self._active].name}")

        with self._lock:
            if state.loader is None:
                run = partial(contextvars.copy_context().run, work)
                state.loader = threading.Thread(target=run, name="model_loader", daemon=True)
                state.loader.start()

    def _wait_for_loaders(self) -> bool:
        """Waits for what is being loaded, when there is nothing else; whether any was."""
        for loader in [state.loader for state in self._states]:
            if loader is not None:
                loader.join()
        return any(state.model is not None for state in self._states)

    def _abandon(self, state: CandidateState[T], timeout: CallTimeoutError) -> None:
        state.hanging_call = timeout.call
        if self._on_timeout is not None:
            self._on_timeout()

    def _fail(
        self,
        state: CandidateState[T],
        model: T | None,
        error: Exception,
        failed: list[CandidateState[T]],
    ) -> None:
        with self._lock:
            if state.model is not model:
                return  # another thread's call with this model has failed already
            state.record_failure(error, self._clock(), retry_after_s(state.failures_in_a_row + 1))
            self._failures += 1
            failed.append(state)

    def _succeed(self, index: int) -> None:
        with self._lock:
            state = self._states[index]
            if state.failed:
                state.record_success()
                _log.info("%s %s works again", self.name, state.name)
            self._active = index
            self._answered = True
            for worse in self._states[index + 1 :]:
                worse.model = None

    def _report(self, failed: list[CandidateState[T]], instead: str) -> None:
        for state in failed:
            _log.warning(
                "%s %s failed (%s); %s; next try in %.0f s",
                self.name,
                state.name,
                state.reason,
                instead,
                state.retry_after_s,
            )
