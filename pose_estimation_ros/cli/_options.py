"""Options that several commands share, and the engine they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pose_estimation_ros.engine.pipelines import Models, Pipeline, build_pipeline
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.model_zoo.manifest import require_model
from pose_estimation_ros.settings import (
    EngineConfig,
    PipelineOptions,
    Setting,
    Settings,
    settings_of,
)
from pose_estimation_ros.settings import apply as apply_settings

_OFFERED = [one for one in settings_of(Settings) if one.flag]


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting that is offered on the command line."""
    group = parser.add_argument_group("pipeline and models")
    for one in _OFFERED:
        _add_flag(group, one)


def _add_flag(group: Any, one: Setting) -> None:
    if isinstance(one.default, bool):
        action = "store_false" if one.default else "store_true"
        text = one.help if not one.default else f"not: {one.help[0].lower()}{one.help[1:]}"
        group.add_argument(one.flag, dest=one.name, action=action, help=text)
        return
    if isinstance(one.default, list):
        text = f"{one.help} May be given several times."
        group.add_argument(
            one.flag, dest=one.name, action="append", default=[], metavar="MODEL", help=text
        )
        return
    text = one.help
    if one.choices:
        text += f" One of: {', '.join(one.choices)}."
    elif one.low is not None and one.high is not None:
        text += f" {one.low:g} to {one.high:g}."
    if one.default != "":
        text += f" Default: {one.default}."
    group.add_argument(
        one.flag,
        dest=one.name,
        type=type(one.default),
        default=one.default,
        metavar=one.flag.rsplit("-", 1)[-1].upper(),
        help=text,
    )


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings, by name, that are given and are not the default."""
    values = {one.name: getattr(args, one.name) for one in _OFFERED}
    return {one.name: values[one.name] for one in _OFFERED if values[one.name] != one.default}


def read_settings(args: argparse.Namespace) -> Settings:
    """The settings asked for.

    Raises:
        ConfigError: a value is out of range, or none of those allowed.
        ModelError: a named model does not exist.
    """
    for one in _OFFERED:
        reason = one.refusal(getattr(args, one.name), one.flag)
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
    for one in _OFFERED:
        value = values[one.name]
        if value == one.default:
            continue
        if isinstance(value, bool):
            flags.append(one.flag)
        elif isinstance(value, list):
            flags += [word for item in value for word in (one.flag, item)]
        else:
            flags += [one.flag, str(value)]
    return flags


def build_engine(args: argparse.Namespace) -> tuple[Models, Pipeline]:
    """The models, loaded, and a pipeline over them; raises as `read_settings`."""
    settings = read_settings(args)
    models = build_models(settings.engine)
    models.load()
    return models, build_pipeline(settings.engine.pipeline, models, settings.pipeline)


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
