"""`runtime: auto`: which of the installed runtimes is taken for a model.

On the processor the first in the registry's order, unmeasured: ONNX Runtime, or LiteRT for
.tflite. OpenVINO may take fewer milliseconds, but costs every robot 90 to 200 MB and a second or
more at start; who wants that names it, and `pose_estimation models runtimes` measures what it
would bring. Where ONNX Runtime was installed in a build for GPUs, that is wanted for its speed,
and its providers are measured against the processor once, when the model is loaded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from pose_estimation_ros.engine.runtimes.measurement import Measurement, measure_apart
from pose_estimation_ros.engine.runtimes.runtime import Cores

_log = logging.getLogger(__name__)

ON_GPU = ("onnxruntime-cuda", "onnxruntime-tensorrt")
# The first, which is the lightest, is kept unless another one takes less than this share of its
# time.
_WORTH = 0.9

_chosen: dict[tuple[str, int, int, tuple[str, ...], Cores, str], str] = {}
_lock = threading.Lock()


def choose(
    path: Path, installed: Sequence[str], cores: Cores, precision: str, urgent: bool = False
) -> str:
    """The runtime to take of those installed, which are in the registry's order.

    The answer is remembered while the process lives and the file stays the same, and logged the
    first time. If `urgent`, nothing is measured: the remembered answer is given, or the first.
    """
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns, tuple(installed), cores, precision)
    if urgent:
        return _chosen.get(key, installed[0])
    with _lock:
        if key not in _chosen:
            _chosen[key] = _choose(path, installed, cores, precision)
        return _chosen[key]


def _choose(path: Path, installed: Sequence[str], cores: Cores, precision: str) -> str:
    first = installed[0]
    measured = [name for name in installed if name in ON_GPU]
    if not measured:
        if len(installed) > 1:
            _log.info(
                "runtime for %s: %s, the lightest (installed too: %s; compare: pose_estimation "
                "models runtimes)",
                path.name,
                first,
                ", ".join(installed[1:]),
            )
        return first
    times: dict[str, float] = {}
    results = []
    for name in dict.fromkeys([first, *measured]):
        result = measure_apart(path, name, cores, precision)
        if isinstance(result, Measurement):
            times[name] = result.run_ms
            results.append(f"{name} {result.run_ms:.1f} ms")
        else:
            results.append(f"{name} {result}")
    best = min(times, key=lambda name: times[name], default=first)
    if first in times and times[best] > _WORTH * times[first]:
        best = first
    _log.info("runtime for %s: %s (%s)", path.name, best, ", ".join(results))
    return best


def another_that_runs(
    path: Path, others: Sequence[str], cores: Cores, precision: str
) -> str | None:
    """The first of the others that runs a model which the chosen one could not load."""
    for name in others:
        if isinstance(measure_apart(path, name, cores, precision), Measurement):
            _log.info("runtime for %s: %s, since others cannot load it", path.name, name)
            return name
    return None
