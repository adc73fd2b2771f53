"""Diagnostics of the process: memory, CPU, threads, files, GPU, and the active models."""

from __future__ import annotations

import socket
import time

import psutil
from diagnostic_msgs.msg import DiagnosticStatus

from pose_estimation_ros.engine.execution.cpu_features import usable_cores
from pose_estimation_ros.engine.execution.gpu import Gpu
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.ros.health.memory_budget import MemoryBudget
from pose_estimation_ros.ros.health.status_report import ERROR, STALE, WARN, StatusReport
from pose_estimation_ros.settings import PipelineOptions


class ProcessMonitor:
    """Makes the diagnostic status of the process."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call starts the measurement
        self._gpu = Gpu()
        self._budget = MemoryBudget()
        self._worked: tuple[float, float] = (time.monotonic(), 0.0)

    def status(
        self,
        name: str,
        inactive: str,
        max_memory_mb: float,
        models: Models | None,
        options: PipelineOptions,
        namesakes: int = 0,
        failure: str = "",
    ) -> DiagnosticStatus:
        """Memory against its budget, CPU, the models in use, other nodes of the same name.

        `inactive` says why the node is not active, `failure` why its last transition failed.
        """
        report = StatusReport(name, "process", socket.gethostname())
        if failure:
            report.raise_to(ERROR, failure)
        if namesakes > 0:
            report.raise_to(
                WARN, f"{namesakes} more node called {name}: rename one with -r __node:=<name>"
            )
        memory, problem = self._budget.check(max_memory_mb, models, options)
        if max_memory_mb > 0:
            report.add("memory budget (MB)", max_memory_mb)
        if problem:
            report.raise_to(WARN, problem)
        report.add("memory (MB)", memory)
        report.add("CPU (% of one core)", self._process.cpu_percent())
        report.add("cores", usable_cores())
        report.add("threads", self._process.num_threads())
        report.add("open files", self._process.num_fds())
        self._add_gpu(report)
        if models is not None:
            report.add("workers", models.workers.workers)
            report.add("worker use (%)", self._worker_use(models))
            for what, status in models.statuses().items():
                report.add_chain(what, status)
        if inactive:
            report.raise_to(WARN if failure else STALE, inactive)
        return report.status("running")

    def _worker_use(self, models: Models) -> float:
        """Share of the workers' time spent on poses since the last call, in percent."""
        (then_s, busy_then_s), now_s = self._worked, time.monotonic()
        busy_s = models.workers.busy_s
        self._worked = (now_s, busy_s)
        span_s = (now_s - then_s) * models.workers.workers
        return 100 * max(0.0, busy_s - busy_then_s) / span_s if span_s > 0 else 0.0

    def _add_gpu(self, report: StatusReport) -> None:
        use = self._gpu.use()
        if use is not None:
            report.add("GPU", self._gpu.name)
            report.add("GPU (%)", use.load)
            report.add("GPU memory (MB)", use.used_mb)
