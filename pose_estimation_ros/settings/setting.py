"""How a setting is declared: a dataclass field whose metadata say everything about it.

The node's parameters, the command line's flags and the table in docs/parameters.md are made from
`settings_of`, so that a setting is written down once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

from pose_estimation_ros.errors import ConfigError

T = TypeVar("T")

_KEY = "setting"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: the ROS parameter's.
        default: its type is that of all values.
        help: what it does, in a sentence.
        live: whether it may change while the node runs; the others need a restart.
        low, high: the range of a number, both included; None where there is none. A default
            outside of it is allowed, too.
        unit: of a number and its range; empty for counts and shares.
        choices: the texts that are allowed; empty where any is.
        flag: the command line's, such as "--threads"; empty where it is not offered there.
        path: the attributes that lead from the dataclass to the value.
    """

    name: str
    default: Any
    help: str
    live: bool
    low: float | None
    high: float | None
    unit: str
    choices: tuple[str, ...]
    flag: str
    path: tuple[str, ...]

    @property
    def range(self) -> str:
        """Such as "1 to 3600 s" or "0 or 64 to 2048 px"; empty where there is no range."""
        if self.low is None or self.high is None:
            return ""
        span = f"{_digits(self.low)} to {_digits(self.high)} {self.unit}".rstrip()
        return span if self._spans(self.default) else f"{_digits(self.default)} or {span}"

    @property
    def least(self) -> float | None:
        """The least number that is allowed."""
        return None if self.low is None else min(self.low, self.default)

    def _spans(self, value: float) -> bool:
        return self.low is None or self.high is None or self.low <= value <= self.high

    def refusal(self, value: Any, label: str) -> str:
        """Why a value of the right type is not allowed, for a person; empty where it is.

        `label` is what the person calls the setting.
        """
        if self.choices and value not in self.choices:
            return f"{label}: '{value}' is unknown: choose one of {', '.join(self.choices)}"
        if isinstance(value, float) and not math.isfinite(value):
            return f"{label}: {value} is not a finite number"
        if value != self.default and not self._spans(value):
            way = "from " if self._spans(self.default) else ""
            return f"{label}: {_digits(value)} is not {way}{self.range}"
        return ""


def _digits(number: float) -> str:
    return f"{number:.12g}"  # 1000000, not 1e+06


def setting(
    default: Any,
    help: str,
    *,
    name: str = "",
    live: bool = False,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    choices: tuple[str, ...] = (),
    flag: bool | str = False,
) -> Any:
    """A dataclass field that is a setting. The arguments are explained in `Setting`, except these.

    Args:
        name: of the parameter, where it differs from the field's.
        flag: True for a flag named after the parameter, or the flag itself.
    """
    about = {
        "name": name,
        "help": help,
        "live": live,
        "low": low,
        "high": high,
        "unit": unit,
        "choices": choices,
        "flag": flag,
    }
    if isinstance(default, list):
        return dataclasses.field(default_factory=default.copy, metadata={_KEY: about})
    return dataclasses.field(default=default, metadata={_KEY: about})


def settings_of(kind: type, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Every setting of a dataclass and of the dataclasses in it, in the order of declaration."""
    for field in dataclasses.fields(kind):
        here = (*path, field.name)
        if _KEY in field.metadata:
            about = dict(field.metadata[_KEY])
            about["name"] = about["name"] or field.name
            if about["flag"] is True:
                about["flag"] = f"--{about['name'].replace('_', '-')}"
            about["flag"] = about["flag"] or ""
            yield Setting(default=_default(field), path=here, **about)
        elif isinstance(field.default_factory, type) and dataclasses.is_dataclass(
            field.default_factory
        ):
            yield from settings_of(field.default_factory, here)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    assert field.default_factory is not dataclasses.MISSING
    return field.default_factory()


def apply(target: object, values: Mapping[str, Any], live_only: bool = False) -> None:
    """Writes the values, by name, into a dataclass and those in it; other names are left out."""
    for one in settings_of(type(target)):
        if one.name in values and (one.live or not live_only):
            owner = reduce(getattr, one.path[:-1], target)
            value = values[one.name]
            setattr(owner, one.path[-1], list(value) if isinstance(value, list) else value)


def check(target: object) -> None:
    """Checks the values in a dataclass and those in it.

    Raises:
        ConfigError: one is out of range, or none of those allowed.
    """
    for one in settings_of(type(target)):
        reason = one.refusal(reduce(getattr, one.path, target), one.path[-1])
        if reason:
            raise ConfigError(reason)
