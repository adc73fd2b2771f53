"""Memory budget: what the node frees when it exceeds its limit."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable

from pose_estimation_ros.engine.execution.process_memory import resident_mb, return_free_memory
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.settings import PipelineOptions

_log = logging.getLogger(__name__)
_PATIENCE_S = 3.0  # from one step to the next, so that its effect shows


class MemoryBudget:
    """Checks the process's memory; over the budget it frees one thing after another.

    First what the C library holds back, then cached poses, then the workers but one. Nothing is
    taken back before the models are loaded anew.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._models: weakref.ref[Models] | None = None  # it must not keep them in memory
        self._given_up: list[str] = []
        self._next_step_s = 0.0

    def check(
        self, limit_mb: float, models: Models | None, options: PipelineOptions
    ) -> tuple[float, str]:
        """The memory in MB, and a warning if it exceeds the limit (0: none)."""
        if models is not (self._models and self._models()):
            self._models = weakref.ref(models) if models else None
            self._given_up, self._next_step_s = [], 0.0
        memory_mb = resident_mb()
        if limit_mb <= 0 or memory_mb <= limit_mb:
            return memory_mb, self._shed_text()
        return_free_memory()
        memory_mb = resident_mb()
        if memory_mb <= limit_mb:
            return memory_mb, self._shed_text()
        if (
            self._clock() >= self._next_step_s
            and models is not None
            and self._shed(models, options)
        ):
            self._next_step_s = self._clock() + _PATIENCE_S
            _log.warning(
                "memory %.0f MB is over max_memory_mb %.0f: %s",
                memory_mb,
                limit_mb,
                self._given_up[-1],
            )
        text = f"memory {memory_mb:.0f} MB is over {limit_mb:.0f} MB"
        shed = self._shed_text() or "nothing to give up"
        return memory_mb, f"{text}: {shed}"

    def _shed(self, models: Models, options: PipelineOptions) -> bool:
        """Frees the next item; False if nothing is left."""
        step = ""
        if options.pose_cache.cache_size > 0:
            options.pose_cache.cache_size = 0
            step = "no poses are cached any more"
        elif models.workers.limit > 1:
            step = f"{models.workers.limit} workers became one"
            models.workers.shrink(1)
        if step and step not in self._given_up:
            self._given_up.append(step)
        return bool(step)

    def _shed_text(self) -> str:
        return ", ".join(self._given_up)
