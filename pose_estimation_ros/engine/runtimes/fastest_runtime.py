"""`runtime: auto`: measures which installed runtime is fastest with a model on this machine.

ONNX Runtime on the CPU is measured in this process, which has imported it anyway. Every other one
is measured in a process of its own: if it is not chosen, it leaves nothing in this one's memory;
if it crashes or hangs (built for another CPU, for another NumPy), it is just not chosen.

    python -m pose_estimation_ros.engine.runtimes.fastest_runtime FILE RUNTIME PRECISION CORES

where CORES are the three numbers of `Cores`.
"""

from __future__ import annotations

import logging
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from pose_estimation_ros.engine.runtimes.runtime import Cores, blank_inputs

_log = logging.getLogger(__name__)

MEASURE_S = 0.2  # per runtime, after a first run that warms it up
GIVE_UP_S = 8.0  # for loading and measuring; a runtime that needs more is not chosen
# The first, which is the lightest, is kept unless another one takes less than this share of its
# time.
_WORTH = 0.9

_chosen: dict[tuple[str, int, int, tuple[str, ...], Cores, str], str] = {}
_lock = threading.Lock()


def fastest(
    path: Path, names: Sequence[str], cores: Cores, precision: str, urgent: bool = False
) -> str:
    """The fastest of the named runtimes; the first, where they are about equal or all fail.

    The answer is remembered while the process lives and the file stays the same. If `urgent`,
    nothing is measured: the remembered answer is given, or the first.
    """
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns, tuple(names), cores, precision)
    if urgent:
        return _chosen.get(key, names[0])
    with _lock:
        if key not in _chosen:
            _chosen[key] = _choose(path, names, cores, precision)
        return _chosen[key]


def _choose(path: Path, names: Sequence[str], cores: Cores, precision: str) -> str:
    times: dict[str, float] = {}
    results = []
    for name in names:
        measure = _measure_here if name == "onnxruntime" else _measure_apart
        result = measure(path, name, cores, precision)
        if isinstance(result, float):
            times[name] = result
        results.append(
            f"{name} {result:.1f} ms" if isinstance(result, float) else f"{name} {result}"
        )
    first = names[0]
    best = min(times, key=lambda name: times[name], default=first)
    if first in times and times[best] > _WORTH * times[first]:
        best = first
    _log.info("runtime for %s: %s (%s)", path.name, best, ", ".join(results))
    return best


def _measure_here(path: Path, runtime: str, cores: Cores, precision: str) -> float | str:
    """Milliseconds per run, or why it cannot be measured."""
    try:
        return measure_ms(path, runtime, cores, precision)
    except Exception as error:  # whatever a model or its runtime may throw
        return f"fails ({' '.join(str(error).split())[:200]})"


def _measure_apart(path: Path, runtime: str, cores: Cores, precision: str) -> float | str:
    """Milliseconds per run, or why it cannot be measured."""
    numbers = [str(n) for n in (cores.threads, cores.callers, cores.onnx_threads)]
    command = [sys.executable, "-m", __name__, str(path), runtime, precision, *numbers]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GIVE_UP_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"needs more than {GIVE_UP_S:.0f} s"
    except OSError as error:
        return f"cannot be measured ({error.strerror})"
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1][:200] if lines else f"exit code {done.returncode}"
        return f"fails ({reason})"
    return float(done.stdout.split()[-1])


def measure_ms(path: Path, runtime: str, cores: Cores, precision: str) -> float:
    """The median time of a run with blank input (ms), measured for MEASURE_S.

    Raises:
        ModelError: as load_runtime.
    """
    from pose_estimation_ros.engine.runtimes.registry import open_with

    loaded = open_with(path, runtime, cores, precision)
    inputs = blank_inputs(loaded.inputs)
    loaded.run(*inputs)
    times: list[float] = []
    end = time.perf_counter() + MEASURE_S
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        loaded.run(*inputs)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


if __name__ == "__main__":
    _file, _runtime, _precision, *_numbers = sys.argv[1:]
    print(measure_ms(Path(_file), _runtime, Cores(*map(int, _numbers)), _precision))
