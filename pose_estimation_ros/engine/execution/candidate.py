"""A candidate of a fallback chain: one model that may do a task, and how it is loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pose_estimation_ros.errors import PoseEstimationError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_LONGEST_REASON = 300  # characters


class Load(Protocol[T_co]):
    """Loads a model."""

    def __call__(self, *, urgent: bool) -> T_co:
        """The loaded model. `urgent`: a frame waits for it, so optional work is skipped."""
        ...


@dataclass(frozen=True)
class Candidate(Generic[T_co]):
    """One model of a chain; it is loaded only when it is needed.

    A `slow` one takes seconds to load (a conversion, PyTorch): no frame waits for it while another
    candidate can answer. One that is `asked` for is the model that was named, in whatever form, or
    the embedded one where none was; the others are fallbacks.
    """

    name: str
    load: Load[T_co]
    slow: bool = False
    asked: bool = True

    @classmethod
    def of(cls, name: str, make: Callable[[], T_co], asked: bool = True) -> Candidate[T_co]:
        """One that is ready at once, so that urgency makes no difference."""
        return cls(name, lambda *, urgent: make(), asked=asked)


class CandidateState(Generic[T]):
    """What a chain remembers of a candidate: its loaded model, its last failure, its retry."""

    def __init__(self, candidate: Candidate[T]) -> None:
        self.candidate = candidate
        self.model: T | None = None
        self.failed_at_s: float | None = None
        self.failures_in_a_row = 0
        self.retry_after_s = 0.0
        self.reason = ""
        self.loader: threading.Thread | None = None  # while it is loaded in the background
        self.hanging_call: Future[Any] | None = None
        self._loading = threading.Lock()

    @property
    def name(self) -> str:
        return self.candidate.name

    @property
    def failed(self) -> bool:
        """Whether it failed last; that it could be loaded again does not prove that it works."""
        return self.failed_at_s is not None

    @property
    def hangs(self) -> bool:
        """Whether a call that was given up is still running."""
        return self.hanging_call is not None and not self.hanging_call.done()

    def retry_due(self, now_s: float) -> bool:
        """Whether to load it again; not while a call hangs, since the next would hang with it."""
        if self.failed_at_s is None or self.hangs:
            return False
        return now_s - self.failed_at_s >= self.retry_after_s

    def load(self, urgent: bool) -> T:
        """The model, loaded once even if several threads ask for it."""
        with self._loading:
            model = self.model
            if model is None:
                model = self.model = self.candidate.load(urgent=urgent)
            return model

    def record_failure(self, error: Exception, now_s: float, retry_after_s: float) -> None:
        """Drops the model, until a retry loads it again."""
        self.failures_in_a_row += 1
        self.retry_after_s = retry_after_s
        self.reason = _reason(error)
        self.failed_at_s = now_s
        self.model = None  # a broken model is not kept in memory; a retry loads it afresh

    def record_success(self) -> None:
        """Forgets the last failure."""
        self.failed_at_s, self.failures_in_a_row, self.reason = None, 0, ""


def _reason(error: Exception) -> str:
    """One line; an error that is not this package's own is given its type and what to do."""
    text = " ".join(str(error).split())[:_LONGEST_REASON]
    if isinstance(error, PoseEstimationError):
        return text
    kind = type(error).__name__
    return f"{kind}: {text}; get or convert the model again if this stays" if text else kind
