"""Sets of models: a detector and a pose model that go together, by one word."""

from __future__ import annotations

import logging
from dataclasses import replace

from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo.manifest import fetch_command, packaged_manifest
from pose_estimation_ros.settings import EngineConfig

_log = logging.getLogger(__name__)

_EMBEDDED = "embedded"
_PARAMETERS = {"detector": "yolo_model", "pose": "model_path"}


def with_models_of_set(config: EngineConfig, fall_back: bool = True) -> EngineConfig:
    """The configuration with the models of its set, where it names none itself.

    A model of the set that is not on this machine leaves its place to the embedded one; one log
    line says so, with the command that fetches the set.

    Raises:
        ModelError: one is missing, and none may take its place (`fall_back`).
    """
    if config.models == _EMBEDDED:
        return config
    wanted = {
        _PARAMETERS[entry.task]: entry
        for entry in packaged_manifest().sets[config.models]
        if not getattr(config, _PARAMETERS[entry.task])
    }
    missing = [entry.name for entry in wanted.values() if not entry.path.is_file()]
    if missing:
        what = f"models: {' and '.join(missing)} of the set '{config.models}' "
        what += f"{'is' if len(missing) == 1 else 'are'} not on this machine"
        command = f"run: {fetch_command(config.models)}"
        if not fall_back:
            raise ModelError(f"{what}: {command}")
        _log.warning("%s, the embedded take their place: %s", what, command)
    chosen = replace(config)
    for name, entry in wanted.items():
        if entry.name not in missing:
            setattr(chosen, name, entry.name)
    return chosen
