"""Load and memory of the first NVIDIA GPU, from NVIDIA's management library (NVML)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pose_estimation_ros.engine.execution.process_memory import MEGABYTE


@dataclass(frozen=True, slots=True)
class GpuUse:
    """`load` in percent, memory in MB (10^6 bytes)."""

    load: float
    used_mb: float
    total_mb: float


class Gpu:
    """The GPU, where there is a driver and a device; `why_not` says what is missing."""

    def __init__(self) -> None:
        self.name, self.why_not = "", ""
        self._nvml: Any = None
        try:
            import pynvml

            pynvml.nvmlInit()
            self._device = pynvml.nvmlDeviceGetHandleByIndex(0)
            self.name = str(pynvml.nvmlDeviceGetName(self._device))
            self._nvml = pynvml
        except ImportError:
            self.why_not = "nvidia-ml-py is not installed"
        except Exception as error:  # no driver, no device: NVML's errors are of its own kinds
            self.why_not = " ".join(str(error).split())

    def use(self) -> GpuUse | None:
        """Present load and memory; None where no GPU answers."""
        if self._nvml is None:
            return None
        try:
            load = self._nvml.nvmlDeviceGetUtilizationRates(self._device).gpu
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._device)
        except self._nvml.NVMLError:
            return None
        return GpuUse(float(load), memory.used / MEGABYTE, memory.total / MEGABYTE)
