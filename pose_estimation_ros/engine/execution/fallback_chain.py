"""A chain of ways to do the same thing, best first: when one fails, the next one answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from pose_estimation_ros.engine.execution.hurry import hurry
from pose_estimation_ros.engine.execution.workers import Helpers
from pose_estimation_ros.errors import (
    CancelledError,
    InputError,
    ModelError,
    PoseEstimationError,
)

T = TypeVar("T")
R = TypeVar("R")

_log = logging.getLogger(__name__)

FIRST_RETRY_S = 10.0
LONGEST_RETRY_S = 300.0


@dataclass
class Rung(Generic[T]):
    """One way: how it is called and how it is loaded (only when it is needed).

    A `slow` one takes seconds to load (a conversion, PyTorch): no frame waits for it while another
    rung can answer.
    """

    name: str
    load: Callable[[], T]
    slow: bool = False
    loaded: T | None = None
    failed_at: float | None = None
    retry_after_s: float = FIRST_RETRY_S
    reason: str = ""
    loading: threading.Thread | None = None
    hanging: Future[Any] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass
class ChainState:
    """What diagnostics show: the rung in use, its place in the chain, why better ones are not.

    `failures` counts every time a rung was left since the start.
    """

    name: str
    index: int
    last: int
    reasons: list[str] = field(default_factory=list)
    failures: int = 0


class FallbackChain(Generic[T]):
    """Uses the best rung that works; a rung that failed is tried again later, ever more rarely.

    Such a retry is loaded in the background while the others answer. Safe to use from several
    threads: whoever is using a rung that another thread leaves finishes with it undisturbed.
    With `timeout_s`, a call that takes longer counts as failed; its thread is given up, and
    `on_timeout` may replace what else hangs with it.
    """

    def __init__(
        self,
        what: str,
        rungs: Sequence[Rung[T]],
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = 0.0,
        on_timeout: Callable[[], None] | None = None,
    ) -> None:
        if not rungs:
            raise ValueError(f"the {what} chain is empty")
        self.what = what
        self._rungs = list(rungs)
        self._clock = clock
        self._timeout_s, self._on_timeout = timeout_s, on_timeout
        self._lock = threading.RLock()
        self._current = 0
        self._answered = False
        self._failures = 0
        self._idle: list[Helpers] = []

    @property
    def state(self) -> ChainState:
        reasons = [f"{r.name}: {r.reason}" for r in self._rungs if r.failed_at is not None]
        rung = self._rungs[self._current]
        last = len(self._rungs) - 1
        return ChainState(rung.name, self._current, last, reasons, self._failures)

    @property
    def hangs(self) -> bool:
        """Whether a call that was given up is still not over."""
        calls = [rung.hanging for rung in self._rungs]
        return any(call is not None and not call.done() for call in calls)

    def close(self) -> None:
        """Ends the threads that wait for calls."""
        idle, self._idle = self._idle, []
        for helper in idle:
            helper.close()

    @property
    def current(self) -> T:
        """The rung in use, loaded; loads it (or the next that works) first if need be.

        Raises:
            ModelError: no rung can be loaded.
        """
        for rung in self._rungs:
            # Not one that failed: that it could be loaded again does not prove that it works.
            loaded = rung.loaded
            if loaded is not None and rung.failed_at is None:
                return loaded
        return self._first_that(lambda loaded: loaded, 0.0)

    def call(self, use: Callable[[T], R]) -> R:
        """Uses the best rung that works at present.

        Raises:
            ModelError: every rung failed; the message names each with its reason.
            CancelledError, InputError: passed on; neither is a failure of the rung.
        """
        return self._first_that(use, self._timeout_s)

    def _first_that(self, use: Callable[[T], R], timeout_s: float) -> R:
        left: list[Rung[T]] = []  # by this call, whose log lines name the rung that answers
        for last_try in (False, True):
            for index, rung in enumerate(self._rungs):
                loaded = self._ready(rung, left)
                if loaded is None:
                    continue
                try:
                    result = self._within(timeout_s, rung, partial(use, loaded))
                except (CancelledError, InputError):
                    raise
                except Exception as error:  # whatever a model or its runtime may throw
                    self._leave(rung, loaded, error, left)
                    continue
                self._stay(index, rung)
                self._report(left, f"using {rung.name}")
                return result
            if last_try or not self._wait_for_loading():
                break
        self._report(left, "nothing is left to fall back to")
        reasons = "; ".join(f"{rung.name}: {rung.reason}" for rung in self._rungs)
        raise ModelError(f"no {self.what} is usable: {reasons}")

    def _ready(self, rung: Rung[T], left: list[Rung[T]]) -> T | None:
        """The rung's model where it can be used now; starts loading it where that is due."""
        if rung.loaded is not None or rung.loading is not None:
            return rung.loaded
        if rung.failed_at is None and not (rung.slow and self._answered):
            try:
                # The first load, at the start, may take its time.
                with rung.lock, hurry(self._answered):
                    if rung.loaded is None:
                        rung.loaded = rung.load()
                    return rung.loaded
            except CancelledError:
                raise
            except Exception as error:  # as above
                self._leave(rung, None, error, left)
                return None
        if rung.failed_at is None or self._due(rung):
            self._load_in_background(rung)
        return None

    def _due(self, rung: Rung[T]) -> bool:
        # While the last call of a rung still hangs, another one would only hang with it.
        if rung.failed_at is None or (rung.hanging is not None and not rung.hanging.done()):
            return False
        return self._clock() - rung.failed_at >= rung.retry_after_s

    def _load_in_background(self, rung: Rung[T]) -> None:
        def work() -> None:
            left: list[Rung[T]] = []
            try:
                rung.loaded = rung.load()
            except Exception as error:  # as above
                self._leave(rung, None, error, left)
            finally:
                rung.loading = None
            self._report(left, f"still using {self._rungs[self._current].name}")

        with self._lock:
            if rung.loading is None:
                rung.loading = threading.Thread(target=work, name="model_loader", daemon=True)
                rung.loading.start()

    def _wait_for_loading(self) -> bool:
        """Waits for what is being loaded, when there is nothing else; whether any was."""
        for thread in [rung.loading for rung in self._rungs]:
            if thread is not None:
                thread.join()
        return any(rung.loaded is not None for rung in self._rungs)

    def _within(self, timeout_s: float, rung: Rung[T], job: Callable[[], R]) -> R:
        if timeout_s <= 0:
            return job()
        with self._lock:
            helper = self._idle.pop() if self._idle else Helpers(1, "model_call")
        future = helper.submit(job)
        try:
            return future.result(timeout_s)
        except FutureTimeoutError as error:
            if future.done():  # the job's own error of that type
                raise
            rung.hanging = future
            if self._on_timeout is not None:
                self._on_timeout()
            raise ModelError(
                f"no answer within {timeout_s:g} s: the machine is overloaded or the runtime hangs"
            ) from error
        finally:
            if future.done():
                self._idle.append(helper)
            else:
                helper.close()

    def _leave(
        self, rung: Rung[T], loaded: T | None, error: Exception, left: list[Rung[T]]
    ) -> None:
        with self._lock:
            if rung.loaded is not loaded:
                return  # another thread has left this model already
            again = rung.failed_at is not None
            rung.reason = _reason(error)
            rung.failed_at = self._clock()
            rung.retry_after_s = (
                min(2 * rung.retry_after_s, LONGEST_RETRY_S) if again else FIRST_RETRY_S
            )
            rung.loaded = None  # a broken model is not kept in memory; a retry loads it afresh
            self._failures += 1
            left.append(rung)

    def _report(self, left: list[Rung[T]], instead: str) -> None:
        for rung in left:
            _log.warning(
                "%s %s failed (%s); %s; next try in %.0f s",
                *(self.what, rung.name, rung.reason, instead, rung.retry_after_s),
            )

    def _stay(self, index: int, rung: Rung[T]) -> None:
        with self._lock:
            if rung.failed_at is not None:
                rung.failed_at, rung.retry_after_s, rung.reason = None, FIRST_RETRY_S, ""
                _log.info("%s %s works again", self.what, rung.name)
            self._current = index
            self._answered = True
            for worse in self._rungs[index + 1 :]:
                worse.loaded = None


def _reason(error: Exception) -> str:
    """One line; an error that is not this package's own is given its kind and what to do."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, PoseEstimationError):
        return text
    kind = type(error).__name__
    return f"{kind}: {text}; get or convert the model again if this stays" if text else kind
