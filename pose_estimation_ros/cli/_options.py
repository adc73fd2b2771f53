"""Options shared by several commands, and the engine built from them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pose_estimation_ros.engine.pipelines import Models, Pipeline, build_pipeline
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.model_zoo.manifest import packaged_manifest, require_model, resolve_model
from pose_estimation_ros.settings import (
    EngineConfig,
    PipelineOptions,
    Setting,
    Settings,
    settings_of,
)
from pose_estimation_ros.settings import apply as apply_settings

_OFFERED = [setting for setting in settings_of(Settings) if setting.flag]


def add_engine_arguments(parser: argparse.ArgumentParser, without: tuple[str, ...] = ()) -> None:
    """Adds a flag for every setting that the command line offers, except those of some names."""
    group = parser.add_argument_group("pipeline and models")
    for setting in _OFFERED:
        if setting.name not in without:
            _add_flag(group, setting)


def _add_flag(group: Any, setting: Setting) -> None:
    text = setting.help
    options: dict[str, Any] = {"dest": setting.name, "default": setting.default}
    if isinstance(setting.default, bool):
        options["action"] = "store_false" if setting.default else "store_true"
        if setting.default:
            text = f"Turns off {setting.name}: {setting.help}"
    elif isinstance(setting.default, list):
        options |= {"action": "append", "default": [], "metavar": "MODEL"}
        text += " May be given several times."
    else:
        options["type"] = type(setting.default)
        options["metavar"] = setting.flag.rsplit("-", 1)[-1].upper()
        if setting.choices:
            text += f" One of: {', '.join(setting.choices)}."
        elif setting.range:
            text += f" {setting.range}."
        if setting.default != "":
            text += f" Default: {setting.default}."
    group.add_argument(setting.flag, help=text.replace("%", "%%"), **options)


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings, by name, that differ from their defaults."""
    values = {setting.name: getattr(args, setting.name, setting.default) for setting in _OFFERED}
    return {
        setting.name: values[setting.name]
        for setting in _OFFERED
        if values[setting.name] != setting.default
    }


def read_settings(args: argparse.Namespace) -> Settings:
    """Validates the flags and returns them as settings.

    Raises:
        ConfigError: a value is out of range or not an allowed choice, or has nothing to act on.
        ModelError: a named model does not exist.
    """
    for setting in _OFFERED:
        reason = setting.refusal(getattr(args, setting.name, setting.default), setting.flag)
        if reason:
            raise ConfigError(reason)
    settings = Settings()
    apply_settings(settings, given_settings(args))
    engine = settings.engine
    for flag, name in (("--model-path", engine.model_path), ("--yolo-model", engine.yolo_model)):
        if name:
            require_model(flag, name)
    if engine.model_skeleton != "auto" and not engine.model_path and engine.models == "embedded":
        raise ConfigError(
            "--model-skeleton says what the model of --model-path estimates: add --model-path"
        )
    return settings


def engine_config(args: argparse.Namespace) -> EngineConfig:
    """Returns the settings for models and threads. Raises like `read_settings`."""
    return read_settings(args).engine


def engine_options(args: argparse.Namespace) -> PipelineOptions:
    """Returns the thresholds and filters. Raises like `read_settings`."""
    return read_settings(args).pipeline


def engine_flags(args: argparse.Namespace, **changes: object) -> list[str]:
    """Turns the engine options back into command-line flags, with `changes` applied."""
    values = {**vars(args), **changes}
    flags: list[str] = []
    for setting in _OFFERED:
        value = values.get(setting.name, setting.default)
        if value == setting.default:
            continue
        if isinstance(value, bool):
            flags.append(setting.flag)
        elif isinstance(value, list):
            flags += [word for item in value for word in (setting.flag, item)]
        else:
            flags += [setting.flag, str(value)]
    return flags


def build_engine(args: argparse.Namespace, fall_back: bool = True) -> tuple[Models, Pipeline]:
    """Loads the models and builds a pipeline on them; `fall_back` as for `build_models`.

    Raises like `read_settings`, and ModelError where no model can be loaded.
    """
    settings = read_settings(args)
    models = build_models(settings.engine, fall_back=fall_back)
    models.load()
    return models, build_pipeline(settings.engine.pipeline, models, settings.pipeline)


def model_files(settings: Settings) -> list[Path]:
    """The files of the models that may answer, which no output may replace.

    These are those that are named, those of the set, and the embedded ones.
    """
    engine, manifest = settings.engine, packaged_manifest()
    names = [engine.model_path, engine.yolo_model, engine.rootnet_model, *engine.fallback_models]
    embedded = [entry for entry in manifest.entries.values() if entry.embedded]
    files = [resolve_model(name) for name in names if name]
    return files + [entry.path for entry in (*manifest.sets[engine.models], *embedded)]


def check_count(name: str, value: int | float | None) -> None:
    """Checks that the value of an option is not negative.

    Raises:
        ConfigError: it is negative.
    """
    if value is not None and not value >= 0:  # also catches NaN
        raise ConfigError(f"--{name.replace('_', '-')}: {value:g} is below 0")


def make_folder(folder: Path) -> None:
    """Creates a command's output folder if it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the folder '{folder}': {error.strerror}") from error


def parse_size(text: str) -> tuple[int, int]:
    """Parses a size such as 640x480 into width and height in px."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a size: expected something like 640x480"
        )
    return int(width), int(height)
