"""Loads a model file with the runtime that is asked for, or one of those that are installed."""

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
    """Loads a model file; "auto" takes one that is installed (see automatic_choice.py).

    An integer for `cores` is the number of threads, with one call at a time. `urgent` means that a
    frame waits: then "auto" measures nothing.

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
        return _load_automatically(path, able, cores, precision, urgent)
    if runtime not in able:
        raise ModelError(f"{runtime} cannot read {path.name}: use {' or '.join(able)}")
    return open_with(path, runtime, cores, precision)


def _load_automatically(
    path: Path, able: tuple[str, ...], cores: Cores, precision: str, urgent: bool
) -> Runtime:
    installed = installed_for(path) or [able[0]]
    if len(installed) == 1:
        return open_with(path, installed[0], cores, precision)
    # Imported where there is something to choose.
    from pose_estimation_ros.engine.runtimes.automatic_choice import another_that_runs, choose

    chosen = choose(path, installed, cores, precision, urgent)
    try:
        return open_with(path, chosen, cores, precision)
    except ModelError:
        others = [] if urgent else [name for name in installed if name != chosen]
        other = another_that_runs(path, others, cores, precision)
        if other is None:
            raise
        return open_with(path, other, cores, precision)
