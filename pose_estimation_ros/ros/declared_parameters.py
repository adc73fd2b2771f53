"""The settings as ROS parameters: declared with descriptors, checked, and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    InvalidTopicNameException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.validate_topic_name import validate_topic_name

from pose_estimation_ros.errors import ConfigError, quoted
from pose_estimation_ros.settings import Setting, Settings, apply, settings_of

_TYPE_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "a list of strings",
}
_LOOKS_LIKE = 0.75  # how alike a name must be to be taken for a mistyped one
SETTINGS = {setting.name: setting for setting in settings_of(Settings)}


def declare(node: Node) -> None:
    """Declares every parameter, with the values given on the command line or in files.

    Raises:
        ConfigError: a given value is of the wrong type, out of range or none of those allowed.
    """
    for name, setting in SETTINGS.items():
        value, ignore = _given(node, setting)
        try:
            node.declare_parameter(name, value, descriptor(setting), ignore_override=ignore)
        except InvalidParameterTypeException as error:
            expected = _TYPE_NAMES[type(setting.default)]
            raise ConfigError(f"parameter '{name}': expected {expected}: {error}") from error
        except InvalidParameterValueException as error:
            span = f" (allowed: {setting.range})" if setting.range else ""
            raise ConfigError(f"parameter '{name}': {error}{span}") from error
        reason = setting.refusal(node.get_parameter(name).value, f"parameter '{name}'")
        if reason:
            raise ConfigError(reason)


def _given(node: Node, setting: Setting) -> tuple[Any, bool]:
    """The default of a parameter, or the converted value where ROS rejects the given one.

    A parameter file gives `[]` no type, and `10` not that of a number with decimals.
    """
    override = _overrides(node).get(setting.name)
    if override is None:
        return ros_default(setting), False
    given = type(setting.default), override.type_
    if given == (list, Parameter.Type.NOT_SET):
        return ros_default(setting), True
    if given == (float, Parameter.Type.INTEGER):
        return float(override.value), True
    return ros_default(setting), False


def _overrides(node: Node) -> dict[str, Parameter]:
    # rclpy keeps what was given, and offers no other way to see it before the declaration.
    found: dict[str, Parameter] = getattr(node, "_parameter_overrides", {})
    return found


def is_given(node: Node, name: str) -> bool:
    """Whether a parameter was given on the command line, in a file or by a program."""
    return name in _overrides(node)


def unknown(node: Node) -> list[str]:
    """A line for every given name that is no parameter but looks like one; one for the others.

    A file with `/**` is for other nodes, too, so a name that is quite different may be theirs.
    """
    strange = [
        name
        for name in _overrides(node)
        if not node.has_parameter(name) and not name.startswith("qos_overrides.")
    ]
    lines, others = [], []
    for name in strange:
        close = get_close_matches(name, SETTINGS, n=1, cutoff=_LOOKS_LIKE)
        if close:
            lines.append(f"there is no parameter '{name}': did you mean '{close[0]}'?")
        else:
            others.append(name)
    if others:
        lines.append(f"parameters that this node does not have: {', '.join(sorted(others))}")
    return lines


def with_floats(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Converts integers to floats where the setting is a float."""
    return [
        Parameter(one.name, Parameter.Type.DOUBLE, float(one.value))
        if one.type_ == Parameter.Type.INTEGER
        and one.name in SETTINGS
        and isinstance(SETTINGS[one.name].default, float)
        else one
        for one in parameters
    ]


def ros_default(setting: Setting) -> Any:
    """The default in ROS's form, where an empty list has no type."""
    return [""] if setting.default == [] else setting.default


def descriptor(setting: Setting) -> ParameterDescriptor:
    """What `ros2 param describe` shows; rclpy itself enforces ranges."""
    constraints = [f"one of: {', '.join(setting.choices)}"] if setting.choices else []
    constraints += [f"unit: {setting.unit}"] if setting.unit else []
    described = ParameterDescriptor(
        name=setting.name,
        description=setting.help + ("" if setting.live else " Needs a restart of the node."),
        additional_constraints="; ".join(constraints),
        read_only=not setting.live,
    )
    if setting.least is None or setting.high is None:
        return described
    if isinstance(setting.default, int):
        span = IntegerRange(from_value=int(setting.least), to_value=int(setting.high), step=1)
        described.integer_range = [span]
    else:
        reals = FloatingPointRange(from_value=float(setting.least), to_value=float(setting.high))
        described.floating_point_range = [reals]
    return described


def with_restart_hint(names: Iterable[str], result: SetParametersResult) -> SetParametersResult:
    """Adds to a rejected change of read-only parameters that the node needs a restart."""
    structural = [name for name in SETTINGS if name in names and not SETTINGS[name].live]
    if structural and not result.successful:
        result.reason += f" To change {', '.join(structural)}, restart the node."
    return result


def value_check() -> Callable[[list[Parameter]], SetParametersResult]:
    """A callback that rejects values that descriptors cannot rule out, with the reason."""

    def check(parameters: Iterable[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            setting = SETTINGS.get(parameter.name)
            label = f"parameter '{parameter.name}'"
            reason = setting.refusal(parameter.value, label) if setting else ""
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    return check


def read(node: Node, settings: Settings) -> None:
    """Reads every parameter into the settings, as when the node is configured.

    Raises:
        ConfigError: the names of the cameras cannot be those of topics.
    """
    value = _values(node)
    _check_cameras(value["cameras"])
    if value["every_frame"] and value["runtime"] == "auto":
        # Two runs over a bag must agree to the last digit, and which runtime is fastest may differ
        # from one run to the next.
        value["runtime"] = "onnxruntime"
    apply(settings, value)


def _check_cameras(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"parameter 'cameras': '{name}' is there twice: expected other names"
            )
        try:
            validate_topic_name(f"{name}/image")
        except InvalidTopicNameException as error:
            raise ConfigError(
                f"parameter 'cameras': {quoted(name)} cannot be part of a topic's name: expected "
                "letters, digits and underscores, such as front_left"
            ) from error


def read_live(node: Node, settings: Settings) -> None:
    """Reads the live parameters; they apply from the next frame."""
    apply(settings, _values(node), live_only=True)


def _values(node: Node) -> dict[str, Any]:
    values = {name: node.get_parameter(name).value for name in SETTINGS}
    for name, setting in SETTINGS.items():
        if isinstance(setting.default, list):
            values[name] = [item for item in values[name] if item]
    return values
