"""Sets of models: a detector and a pose model that go together, by one word."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo.manifest import ModelEntry, fetch_command, packaged_manifest
from pose_estimation_ros.settings import EngineConfig

_log = logging.getLogger(__name__)

_EMBEDDED = "embedded"
_PARAMETERS = {"detector": "yolo_model", "pose": "model_path"}


def missing_of_set(config: EngineConfig) -> list[ModelEntry]:
    """The models of the configuration's set that it needs and that are not on this machine."""
    return [entry for entry in _wanted(config).values() if not entry.path.is_file()]


def missing_text(config: EngineConfig, missing: Sequence[ModelEntry]) -> str:
    """Says which models of the set are missing."""
    names = " and ".join(entry.name for entry in missing)
    verb = "is" if len(missing) == 1 else "are"
    return f"models: {names} of the set '{config.models}' {verb} not on this machine"


def _wanted(config: EngineConfig) -> dict[str, ModelEntry]:
    """The models of the set by the parameter that names them, where nothing else is named."""
    if config.models == _EMBEDDED:
        return {}
    return {
        _PARAMETERS[entry.task]: entry
        for entry in packaged_manifest().sets[config.models]
        if not getattr(config, _PARAMETERS[entry.task])
    }


def with_models_of_set(config: EngineConfig, fall_back: bool = True) -> EngineConfig:
    """The configuration with the models of its set, where it names none itself.

    A model of the set that is not on this machine leaves its place to the embedded one; one log
    line says so, with the command that fetches the set.

    Raises:
        ModelError: one is missing, and none may take its place (`fall_back`).
    """
    missing = missing_of_set(config)
    if missing:
        what = missing_text(config, missing)
        command = f"run: {fetch_command(config.models)}"
        if not fall_back:
            raise ModelError(f"{what}: {command}")
        _log.warning("%s, the embedded take their place: %s", what, command)
    chosen = replace(config)
    for name, entry in _wanted(config).items():
        if entry not in missing:
            setattr(chosen, name, entry.name)
    return chosen
