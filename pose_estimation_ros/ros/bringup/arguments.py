"""The launch arguments: every setting, and what a launch file alone can decide.

An argument that is empty is not given, and then it overrides nothing. Where an empty text is
meant, it is written as two quotes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.settings import Setting, Settings, settings_of

SETTINGS = {setting.name: setting for setting in settings_of(Settings)}
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
TRANSPORTS = ("raw", "compressed")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_EMPTY = ("''", '""')
_TYPE_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    list: "texts, separated by commas",
}


@dataclass(frozen=True, slots=True)
class Argument:
    """A launch argument. `choices` are the texts allowed; empty where any is."""

    name: str
    help: str
    choices: tuple[str, ...] = ()


BRINGUP = (
    Argument(
        "image",
        "Image topic; with several cameras one for each, separated by commas, or CAMERA/image:=. "
        "A topic that ends in /compressed is taken as such.",
    ),
    Argument(
        "camera_info",
        "Topic of the intrinsics, likewise. Default: camera_info beside the image topic.",
    ),
    Argument("depth", "Topic of an aligned depth image, likewise; turns use_depth on."),
    Argument("image_transport", "How images are sent; sets compressed.", TRANSPORTS),
    Argument(
        "video",
        "Plays this as the camera: a video file, a webcam's number, a stream's address, or demo "
        "for the scene of the demo; with several cameras one for each, separated by commas.",
    ),
    Argument(
        "params_file",
        "Parameter file; it overrides the launch file's pipeline, and arguments override it.",
    ),
    Argument("config", "The same as params_file."),
    Argument("name", "The node's name. Default: pose_estimation."),
    Argument("namespace", "Namespace of the node and its topics, within that of the bring-up."),
    Argument("use_sim_time", "true or false: take the time from /clock, as from a simulation."),
    Argument("log_level", "What the node logs.", LOG_LEVELS),
    Argument("respawn", "true: start the node again two seconds after it has died."),
    Argument("rviz", "true: open RViz with the annotated image and the skeletons."),
    Argument("rviz_frame", "RViz's fixed frame. Default: target_frame, else the video's frame."),
    Argument(
        "view",
        "true: show the answers live in a window (Rerun); web: in a browser on this machine; "
        "rerun+http://HOST:9876/proxy: in a viewer on another one.",
    ),
)
FLAGS = ("use_sim_time", "respawn", "rviz")


def described(pipeline: str) -> dict[str, str]:
    """The description of every argument by its name, for the launch file of a pipeline."""
    own = {
        one.name: one.help + (f" One of {', '.join(one.choices)}." if one.choices else "")
        for one in BRINGUP
    }
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    defaults["pipeline"] = pipeline
    return own | {name: _description(one, defaults[name]) for name, one in SETTINGS.items()}


def _description(setting: Setting, value: Any) -> str:
    kind = "one of " + ", ".join(setting.choices) if setting.choices else ""
    kind = kind or setting.range or _TYPE_NAMES[type(setting.default)]
    default = (
        str(value).lower()
        if isinstance(value, bool)
        else "empty"
        if value in ("", [])
        else str(value)
    )
    if isinstance(value, float):
        default = f"{value:g}"
    return f"{setting.help} [{kind}; default: {default}]"


def check(values: Mapping[str, str]) -> None:
    """Checks those arguments that are no settings.

    Raises:
        ConfigError: one is none of the texts allowed.
    """
    for argument in BRINGUP:
        value = values.get(argument.name, "")
        if value and argument.choices and value not in argument.choices:
            known = ", ".join(argument.choices)
            raise ConfigError(f"{argument.name}:={value}: choose one of {known}")
    for name in FLAGS:
        flag(values, name)
    view_options(values)


def flag(values: Mapping[str, str], name: str) -> bool | None:
    """Whether a switch is on; None where it is not given.

    Raises:
        ConfigError: it is neither true nor false.
    """
    text = values.get(name, "")
    return None if text == "" else _bool(name, text)


def view_options(values: Mapping[str, str]) -> list[str] | None:
    """The options of `pose_estimation view` that `view` comes to; None where it is off.

    Raises:
        ConfigError: it is none of the texts allowed.
    """
    text = values.get("view", "")
    if text == "web":
        return ["--web"]
    if "://" in text:
        return ["--connect", text]
    try:
        return [] if flag(values, "view") else None
    except ConfigError:
        raise ConfigError(
            f"view:={text}: expected true, false, web, or rerun+http://HOST:9876/proxy"
        ) from None


def given_settings(values: Mapping[str, str]) -> dict[str, Any]:
    """The settings that were given, each of its type.

    Raises:
        ConfigError: a value is of another type, out of range, or none of those allowed.
    """
    found: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        text = values.get(name, "")
        if text == "":
            continue
        value = _typed(setting, "" if text in _EMPTY else text)
        if reason := setting.refusal(value, f"{name}:={text}"):
            raise ConfigError(reason)
        found[name] = value
    transport = values.get("image_transport", "")
    if transport:
        compressed = transport == "compressed"
        if found.setdefault("compressed", compressed) != compressed:
            raise ConfigError(
                f"image_transport:={transport} and compressed:={values['compressed']} contradict "
                "each other: give one of them"
            )
    return found


def _typed(setting: Setting, text: str) -> Any:
    kind = type(setting.default)
    if kind is bool:
        return _bool(setting.name, text)
    if kind is list:
        return split(text)
    if kind is str:
        return text
    try:
        value = kind(text)
        if math.isfinite(value):
            return value
    except ValueError:
        pass
    expected = f"a {_TYPE_NAMES[kind]}"
    raise ConfigError(f"{setting.name}:={text}: expected {expected}, {setting.range}")


def _bool(name: str, text: str) -> bool:
    if text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    raise ConfigError(f"{name}:={text}: expected true or false")


def split(text: str) -> list[str]:
    """The items of "front, rear", or of YAML's "[front, rear]"."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    items = [item.strip().strip("'\"") for item in text.split(",")]
    return [item for item in items if item]
