"""What the process itself uses: memory, CPU, threads, files, and the GPU where one answers."""

from __future__ import annotations

import os
from typing import Any

import psutil
from diagnostic_msgs.msg import DiagnosticStatus

from pose_estimation_ros.engine.memory import return_free_memory
from pose_estimation_ros.engine.metrics import MEGABYTE, resident_mb
from pose_estimation_ros.engine.stages import Models
from pose_estimation_ros.ros.diagnostics import STALE, WARN, Report


def _open_gpu() -> tuple[Any, Any]:
    """NVIDIA's management library and the first GPU; (None, None) where there is none."""
    try:
        import pynvml

        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)
    except Exception:  # not installed, no driver, no device: all mean that there is nothing to say
        return None, None


class ProcessMonitor:
    """Makes the diagnostic status of the process."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call starts the measurement
        self._nvml, self._gpu = _open_gpu()

    def status(
        self, name: str, active: bool, max_memory_mb: float, models: Models | None
    ) -> DiagnosticStatus:
        """Memory against its budget, CPU, the models in use."""
        report = Report(f"{name}: process")
        memory = resident_mb()
        if max_memory_mb > 0:
            report.add("memory budget (MB)", max_memory_mb)
            if memory > max_memory_mb:
                return_free_memory()
                memory = resident_mb()
            if memory > max_memory_mb:
                report.raise_to(WARN, f"memory {memory:.0f} MB is over {max_memory_mb:.0f} MB")
        report.add("memory (MB)", memory)
        report.add("CPU (% of one core)", self._process.cpu_percent())
        report.add("cores", len(os.sched_getaffinity(0)))
        report.add("threads", self._process.num_threads())
        report.add("open files", self._process.num_fds())
        self._add_gpu(report)
        if models is not None:
            report.add("workers", models.workers.workers)
            report.add_chain("detector", models.detector.state)
            report.add_chain("pose model", models.pose.state)
            report.add_chain("root depth", models.root_depth.state)
        if not active:
            report.raise_to(STALE, "inactive: activate the node to get poses")
        return report.status("running")

    def _add_gpu(self, report: Report) -> None:
        if self._nvml is None:
            return
        try:
            load = self._nvml.nvmlDeviceGetUtilizationRates(self._gpu).gpu
            used = self._nvml.nvmlDeviceGetMemoryInfo(self._gpu).used / MEGABYTE
        except self._nvml.NVMLError:
            return
        report.add("GPU (%)", load)
        report.add("GPU memory (MB)", used)
