"""Options that several commands share, and the engine they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pose_estimation_ros.engine.pipelines import Models, Pipeline, build_pipeline
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.model_zoo.manifest import require_model, resolve_model
from pose_estimation_ros.settings import (
    EngineConfig,
    PipelineOptions,
    Setting,
    Settings,
    settings_of,
)
from pose_estimation_ros.settings import apply as apply_settings

_OFFERED = [setting for setting in settings_of(Settings) if setting.flag]


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting that is offered on the command line."""
    group = parser.add_argument_group("pipeline and models")
    for setting in _OFFERED:
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
    """The settings, by name, that are given and are not the default."""
    values = {setting.name: getattr(args, setting.name) for setting in _OFFERED}
    return {
        setting.name: values[setting.name]
        for setting in _OFFERED
        if values[setting.name] != setting.default
    }


def read_settings(args: argparse.Namespace) -> Settings:
    """The settings asked for.

    Raises:
        ConfigError: a value is out of range, or none of those allowed.
        ModelError: a named model does not exist.
    """
    for setting in _OFFERED:
        reason = setting.refusal(getattr(args, setting.name), setting.flag)
        if reason:
            raise ConfigError(reason)
    settings = Settings()
    apply_settings(settings, given_settings(args))
    engine = settings.engine
    for flag, name in (("--model-path", engine.model_path), ("--yolo-model", engine.yolo_model)):
        if name:
            require_model(flag, name)
    return settings


def engine_config(args: argparse.Namespace) -> EngineConfig:
    """The models and threads asked for; raises as `read_settings`."""
    return read_settings(args).engine


def engine_options(args: argparse.Namespace) -> PipelineOptions:
    """The thresholds and filters asked for; raises as `read_settings`."""
    return read_settings(args).pipeline


def engine_flags(args: argparse.Namespace, **changes: object) -> list[str]:
    """The options of add_engine_arguments as words of a command line, with some changed."""
    values = {**vars(args), **changes}
    flags: list[str] = []
    for setting in _OFFERED:
        value = values[setting.name]
        if value == setting.default:
            continue
        if isinstance(value, bool):
            flags.append(setting.flag)
        elif isinstance(value, list):
            flags += [word for item in value for word in (setting.flag, item)]
        else:
            flags += [setting.flag, str(value)]
    return flags


def build_engine(args: argparse.Namespace) -> tuple[Models, Pipeline]:
    """The models, loaded, and a pipeline over them; raises as `read_settings`."""
    settings = read_settings(args)
    models = build_models(settings.engine)
    models.load()
    return models, build_pipeline(settings.engine.pipeline, models, settings.pipeline)


def model_files(settings: Settings) -> list[Path]:
    """The model files that are named, which no output may replace."""
    engine = settings.engine
    names = [engine.model_path, engine.yolo_model, *engine.fallback_models]
    return [resolve_model(name) for name in names if name]


def check_count(name: str, value: int | float | None) -> None:
    """Refuses the value of an option below 0.

    Raises:
        ConfigError: it is below 0.
    """
    if value is not None and not value >= 0:  # nor NaN
        raise ConfigError(f"--{name.replace('_', '-')}: {value:g} is below 0")


def make_folder(folder: Path) -> None:
    """Makes the folder that a command writes to, where it is not there yet."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder '{folder}': {error.strerror}") from error


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in px of a text such as 640x480."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"'{text}' is no size: write it like 640x480")
    return int(width), int(height)
