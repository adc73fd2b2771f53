"""What models took on this machine, as `pose_estimation models bench` measured them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.execution.cpu_features import processor_name
from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.io.atomic_file import atomic_write
from pose_estimation_ros.model_zoo.manifest import ModelEntry, fetch_command
from pose_estimation_ros.model_zoo.pipeline_models import ModelLoaders
from pose_estimation_ros.model_zoo.user_folder import models_folder
from pose_estimation_ros.settings import DetectorOptions, EngineConfig

_FILE = "measured_times.yaml"
_HEAD = "# Written by `pose_estimation models bench`: ms of a call, by processor and model.\n"
_SIZE = (1280, 720)  # px, of the image
_MEASURE_S, _FEWEST = 1.0, 5
_NOBODY = np.zeros((0, 4), np.float32)


def measured_ms() -> dict[str, float]:
    """Milliseconds by model, as measured with this processor."""
    times = _read(models_folder() / _FILE).get(processor_name(), {})
    return {str(name): float(ms) for name, ms in times.items()} if isinstance(times, dict) else {}


def measure(entry: ModelEntry) -> tuple[float, str]:
    """Milliseconds of a call, and the runtime: an image of 1280x720 px, or a person's crop in it.

    With all that belongs to a call: the letterbox or crop, the network and decoding. It is noted
    for `measured_ms`.

    Raises:
        ModelError: the model is not here or cannot be loaded, or the user's folder cannot be
            written.
    """
    if not entry.path.is_file():
        raise ModelError(f"it is not on this machine: run: {fetch_command(entry.name)}")
    width, height = _SIZE
    shades = np.linspace(60, 200, width * height * 3, dtype=np.uint8)
    image = Image(shades.reshape(height, width, 3))
    loaders = ModelLoaders(EngineConfig())
    call, runtime = _call_of(entry, loaders, image)
    call()
    times: list[float] = []
    end = time.perf_counter() + _MEASURE_S
    while len(times) < _FEWEST or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    ms = statistics.median(times)
    _note(entry.name, ms)
    return ms, runtime


def _call_of(
    entry: ModelEntry, loaders: ModelLoaders, image: Image
) -> tuple[Callable[[], object], str]:
    options = DetectorOptions()
    if entry.task == "detector":
        detector = loaders.detector(entry.path, urgent=False)
        assert isinstance(detector, NetworkDetector)
        return lambda: detector.detect(image, options, _NOBODY), detector.runtime.name
    pose = loaders.pose(entry.path, urgent=False)
    if isinstance(pose, OneStagePose):
        return lambda: pose.people(image, options), pose.runtime.name
    box = np.array([[500, 100, 780, 660]], np.float32)
    return lambda: pose.estimate(image, box), pose.runtime.name


def _note(name: str, ms: float) -> None:
    path = models_folder() / _FILE
    known = _read(path)
    known.setdefault(processor_name(), {})[name] = ms
    with atomic_write(path) as temporary:
        temporary.write_text(_HEAD + yaml.safe_dump(known, sort_keys=True), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    """What was measured so far; empty where there is nothing that can be read."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}
