"""What a ROS parameter file says of a node, for what a launch file must know beforehand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pose_estimation_ros.errors import ConfigError

_PARAMETERS = "ros__parameters"


def chosen_file(values: Mapping[str, str]) -> Path | None:
    """The file named by params_file, or by its other name, config; None where there is none.

    Raises:
        ConfigError: there is no such file, or the two name different ones.
    """
    names = {name: values.get(name, "") for name in ("params_file", "config")}
    paths = {Path(text).expanduser() for text in names.values() if text}
    if len(paths) > 1:
        raise ConfigError(
            f"params_file:={names['params_file']} and config:={names['config']} are two names of "
            "one argument: give one of them"
        )
    for path in paths:
        if not path.is_file():
            argument = next(name for name, text in names.items() if text)
            raise ConfigError(f"{argument}:={path}: there is no such file: check the path")
        return path.absolute()
    return None


def parameters_of(path: Path, node: str) -> dict[str, Any]:
    """The parameters that a file has for a node, given by its full name such as /robot/pose.

    Raises:
        ConfigError: it is no YAML, or no parameter file.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"parameter file {path} cannot be read: {reason}") from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"parameter file {path}: expected nodes with {_PARAMETERS}, such as '/**:'"
        )
    found: dict[str, Any] = {}
    for pattern, parameters in _sections(content):
        if _matches(pattern, node):
            found.update(parameters)
    return found


def _sections(content: Mapping[Any, Any], place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The parts of a file with the pattern of the nodes that each is for."""
    for key, value in content.items():
        if not isinstance(value, dict):
            continue
        if key == _PARAMETERS:
            yield place or "/**", value
        else:
            yield from _sections(value, f"{place}/{str(key).strip('/')}")


def _matches(pattern: str, node: str) -> bool:
    """As rcl matches: `*` is one part of a name, `**` any number of them."""
    parts = [_part(part) for part in pattern.split("/") if part]
    return re.fullmatch("".join(parts), node) is not None


def _part(part: str) -> str:
    if part == "**":
        return r"(/[^/]+)*"
    return "/" + re.escape(part).replace(r"\*", "[^/]*")
