"""A setting is written down once: whatever else shows it is made from its declaration."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections import Counter
from dataclasses import dataclass, field, fields, is_dataclass
from types import ModuleType

import pytest
from paths import ROOT

from pose_estimation_ros.cli import _options
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.settings import Settings, apply, check, setting, settings_of


@dataclass
class _Inner:
    strength: float = setting(
        0.5,
        "How strong, in % of all.",
        name="filter_strength",
        live=True,
        low=0.0,
        high=1.0,
        unit="dB",
        flag=True,
    )
    kind: str = setting("soft", "Which filter.", choices=("soft", "hard"))
    taps: int = setting(0, "Its length; 0: as needed.", low=3, high=99)


@dataclass
class _Outer:
    inner: _Inner = field(default_factory=_Inner)
    names: list[str] = setting([], "Names.")
    untold: int = 3


def test_a_declaration_tells_everything() -> None:
    strength, kind, taps, names = settings_of(_Outer)
    assert (strength.name, strength.flag, strength.path) == (
        "filter_strength",
        "--filter-strength",
        ("inner", "strength"),
    )
    assert strength.live and not kind.live and kind.flag == ""
    assert kind.choices == ("soft", "hard") and names.default == []
    assert (taps.range, taps.least) == ("0 or 3 to 99", 0)


def test_values_are_written_by_name_and_only_live_ones_where_asked() -> None:
    outer = _Outer()
    apply(outer, {"filter_strength": 0.25, "kind": "hard", "other": 1}, live_only=True)
    assert (outer.inner.strength, outer.inner.kind) == (0.25, "soft")
    apply(outer, {"kind": "hard", "names": ["a"]})
    assert (outer.inner.kind, outer.names, outer.untold) == ("hard", ["a"], 3)
    assert _Outer().names == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"filter_strength": 1.5}, "strength: 1.5 is not from 0 to 1 dB"),
        ({"filter_strength": float("nan")}, "strength: nan is not a finite number"),
        ({"kind": "loud"}, "kind: 'loud' is unknown: choose one of soft, hard"),
        ({"taps": 2}, "taps: 2 is not 0 or 3 to 99"),
    ],
)
def test_what_is_not_allowed_is_refused(values: dict[str, object], reason: str) -> None:
    outer = _Outer()
    check(outer)
    apply(outer, values)
    with pytest.raises(ConfigError, match=reason):
        check(outer)


def test_a_new_setting_is_a_parameter_a_flag_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declared here, in one place; nothing else knows its name."""
    pytest.importorskip("rclpy", reason="ROS parameters need ROS")
    from pose_estimation_ros.ros import declared_parameters

    strength = next(iter(settings_of(_Outer)))
    described = declared_parameters.descriptor(strength)
    assert described.description == strength.help and not described.read_only
    assert described.floating_point_range[0].to_value == 1.0

    monkeypatch.setattr(_options, "_OFFERED", [strength])
    parser = argparse.ArgumentParser()
    _options.add_engine_arguments(parser)
    shown = " ".join(parser.format_help().split())
    assert "How strong, in % of all. 0 to 1 dB. Default: 0.5." in shown
    args = parser.parse_args(["--filter-strength", "0.75"])
    assert _options.given_settings(args) == {"filter_strength": 0.75}
    assert _options.engine_flags(args) == ["--filter-strength", "0.75"]
    outer = _Outer()
    apply(outer, _options.given_settings(args))
    assert outer.inner.strength == 0.75

    table = _parameter_table()
    monkeypatch.setattr(table, "Settings", _Outer)
    assert (
        "| `filter_strength` | 0.5 | live | How strong, in % of all. 0 to 1 dB. |" in table.table()
    )


def _parameter_table() -> ModuleType:
    """scripts/parameter_table.py, which is no module of a package."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        path = ROOT / "scripts" / "parameter_table.py"
        spec = importlib.util.spec_from_file_location("parameter_table", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize("one", list(settings_of(Settings)), ids=lambda one: one.name)
def test_every_setting_is_explained_and_bounded(one) -> None:
    assert one.help[0].isalpha() and one.help.endswith(".")
    assert not one.refusal(one.default, one.name)
    if isinstance(one.default, int | float) and not isinstance(one.default, bool):
        assert one.low is not None and one.high is not None
    elif one.default and isinstance(one.default, str):
        assert one.choices  # texts that are not names of files


def test_names_and_flags_are_unique() -> None:
    everything = list(settings_of(Settings))
    for names in ([one.name for one in everything], [one.flag for one in everything if one.flag]):
        assert max(Counter(names).values()) == 1


def test_what_is_no_setting_is_a_constant_of_an_algorithm() -> None:
    """Fields that nobody can set from outside are few, and listed here."""
    plain = {"min_similarity", "speed_cutoff_hz", "calm_s"}
    found = set()

    def look(kind: type) -> None:
        for one in fields(kind):
            inner = one.default_factory
            if isinstance(inner, type) and is_dataclass(inner):
                look(inner)
            elif "setting" not in one.metadata:
                found.add(one.name)

    look(Settings)
    assert found == plain
