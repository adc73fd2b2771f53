"""Loads a model file with the runtime that is asked for, or the fastest one that is installed."""

from __future__ import annotations

from pathlib import Path

from pose_estimation_ros.engine.runtimes.registry import installed_for, open_with, runtimes_for
from pose_estimation_ros.engine.runtimes.runtime import Cores, Runtime, check_file
from pose_estimation_ros.errors import ConfigError, ModelError
from pose_estimation_ros.settings import PRECISIONS, RUNTIMES


def load_runtime(
    path: Path,
    runtime: str = "auto",
    cores: Cores | int = 1,
    precision: str = "f32",
    urgent: bool = False,
) -> Runtime:
    """Loads a model file; "auto" takes the installed runtime that is fastest with this model.

    An integer for `cores` is the number of threads, with one call at a time. `urgent` means that a
    frame waits: then "auto" measures nothing (see selection.py).

    Raises:
        ModelError: the file is missing, of an unknown kind, or broken.
        RuntimeMissingError: the library that it needs is not installed.
        ConfigError: the runtime or the precision is unknown.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(f"unknown runtime '{runtime}': choose one of {', '.join(RUNTIMES)}")
    if precision not in PRECISIONS:
        raise ConfigError(f"unknown precision '{precision}': one of {', '.join(PRECISIONS)}")
    if isinstance(cores, int):
        cores = Cores(cores)
    able = runtimes_for(path)
    check_file(path)
    if runtime == "auto":
        # The measuring is imported where there is something to choose.
        installed = installed_for(path)
        runtime = installed[0] if installed else able[0]
        if len(installed) > 1:
            from pose_estimation_ros.engine.runtimes.fastest_runtime import fastest

            runtime = fastest(path, installed, cores, precision, urgent)
    if runtime not in able:
        raise ModelError(f"{runtime} cannot read {path.name}: use {' or '.join(able)}")
    return open_with(path, runtime, cores, precision)
