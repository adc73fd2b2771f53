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


def missing_text(config: EngineConfig, missing: Sequence[ModelEntry], instead: str = "") -> str:
    """Says which models of the set are missing, what happens instead, and the command for them."""
    names = " and ".join(entry.name for entry in missing)
    verb = "is" if len(missing) == 1 else "are"
    where = f"models: {names} of the set '{config.models}' {verb} not on this machine"
    return f"{where}{instead}: run: {fetch_command(config.models)}"


def detector_may_be_needless(config: EngineConfig) -> bool:
    """Whether a pose model is named: it may find people itself, which shows when it is loaded."""
    return bool(config.model_path)


def warn_of_missing(config: EngineConfig) -> None:
    """Logs which models of the set the embedded replace; nothing where all are here."""
    if missing := missing_of_set(config):
        _log.warning(missing_text(config, missing, ", the embedded take their place"))


def detector_name(config: EngineConfig) -> str:
    """The detector that is named, or that of the set where it is here; empty for the embedded."""
    of_set = _wanted(config).get("yolo_model")
    return of_set.name if of_set and of_set.path.is_file() else config.yolo_model


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
    line says so, with the command that fetches the set. A detector beside a pose model that is
    named is neither demanded nor warned about here, but where it is loaded.

    Raises:
        ModelError: one is missing, and none may take its place (`fall_back`).
    """
    missing = missing_of_set(config)
    if missing and not detector_may_be_needless(config):
        if not fall_back:
            raise ModelError(missing_text(config, missing))
        warn_of_missing(config)
    chosen = replace(config)
    for name, entry in _wanted(config).items():
        if entry not in missing or not fall_back:
            setattr(chosen, name, entry.name)
    return chosen
