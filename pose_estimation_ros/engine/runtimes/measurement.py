"""How fast a runtime runs a model on this machine, and what it costs: start-up and memory.

It is measured in a process of its own: what is not chosen leaves nothing in this one's memory, and
what crashes or hangs (built for another CPU, for another NumPy) only fails to be measured.

    python -m pose_estimation_ros.engine.runtimes.measurement FILE RUNTIME PRECISION CORES

where CORES are the three numbers of `Cores`; prints the three numbers of `Measurement`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pose_estimation_ros.engine.execution.process_memory import resident_mb
from pose_estimation_ros.engine.runtimes.runtime import Cores, blank_inputs

MEASURE_S = 0.2  # per runtime, after a first run that warms it up
GIVE_UP_S = 8.0  # for loading and measuring


@dataclass(frozen=True, slots=True)
class Measurement:
    """Of one run (median, ms), of importing the runtime, loading the model and the first run.

    `memory_mb` (10^6 bytes) is what these add to a process that has NumPy.
    """

    run_ms: float
    start_s: float
    memory_mb: float


def measure_apart(
    path: Path, runtime: str, cores: Cores, precision: str, give_up_s: float = GIVE_UP_S
) -> Measurement | str:
    """Measures in a process of its own; or says in a few words why it cannot be measured."""
    numbers = [str(n) for n in (cores.threads, cores.callers, cores.onnx_threads)]
    command = [sys.executable, "-m", __name__, str(path), runtime, precision, *numbers]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=give_up_s, check=False
        )
    except subprocess.TimeoutExpired:
        return f"needs more than {give_up_s:.0f} s"
    except OSError as error:
        return f"cannot be measured ({error.strerror})"
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1][:200] if lines else f"exit code {done.returncode}"
        return f"fails ({reason})"
    return Measurement(*map(float, done.stdout.split()[-3:]))


def measure(path: Path, runtime: str, cores: Cores, precision: str) -> Measurement:
    """Measures in this process, for MEASURE_S, with blank input.

    Raises:
        ModelError, RuntimeMissingError: as load_runtime.
    """
    before_mb, start = resident_mb(), time.perf_counter()
    from pose_estimation_ros.engine.runtimes.registry import open_with

    loaded = open_with(path, runtime, cores, precision)
    inputs = blank_inputs(loaded.inputs)
    loaded.run(*inputs)
    start_s, memory_mb = time.perf_counter() - start, resident_mb() - before_mb
    times: list[float] = []
    end = time.perf_counter() + MEASURE_S
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        loaded.run(*inputs)
        times.append((time.perf_counter() - start) * 1e3)
    return Measurement(statistics.median(times), start_s, memory_mb)


if __name__ == "__main__":
    _file, _runtime, _precision, *_numbers = sys.argv[1:]
    _measured = measure(Path(_file), _runtime, Cores(*map(int, _numbers)), _precision)
    print(_measured.run_ms, _measured.start_s, _measured.memory_mb)
