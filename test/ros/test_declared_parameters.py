"""The settings as parameters of a node: declared, described, refused and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.ros import declared_parameters
from pose_estimation_ros.settings import Setting, Settings, setting, settings_of

MakeNode = Callable[..., Node]


@pytest.fixture
def make_node() -> Iterator[MakeNode]:
    """Makes nodes whose parameters have been given the keyword arguments, as on a command line."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    made: list[Node] = []

    def make(**given: Any) -> Node:
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        made.append(Node("parameters", context=context, parameter_overrides=overrides))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()
    rclpy.try_shutdown(context=context)


def _value(settings: object, one: Setting) -> Any:
    return reduce(getattr, one.path, settings)


def _another(one: Setting) -> Any:
    """A value that is allowed and not the default."""
    if isinstance(one.default, bool):
        return not one.default
    if one.choices:
        return next(choice for choice in one.choices if choice != one.default)
    if isinstance(one.default, int | float):
        return one.high if one.default != one.high else one.low
    return ["a", "b"] if isinstance(one.default, list) else "a"


def test_what_is_not_given_has_its_default(make_node: MakeNode) -> None:
    node, settings = make_node(), Settings()
    declared_parameters.declare(node)
    declared_parameters.read(node, settings)
    assert settings == Settings()


@pytest.mark.parametrize("one", list(settings_of(Settings)), ids=lambda one: one.name)
def test_a_given_value_is_read(make_node: MakeNode, one: Setting) -> None:
    node, settings = make_node(**{one.name: _another(one)}), Settings()
    declared_parameters.declare(node)
    declared_parameters.read(node, settings)
    assert _value(settings, one) == _another(one) != one.default


def test_only_live_settings_change_while_the_node_runs(make_node: MakeNode) -> None:
    node, settings = make_node(), Settings()
    declared_parameters.declare(node)
    for one in settings_of(Settings):
        result = node.set_parameters([Parameter(one.name, value=_another(one))])[0]
        assert result.successful == one.live, one.name
    declared_parameters.read_live(node, settings)
    for one in settings_of(Settings):
        assert _value(settings, one) == (_another(one) if one.live else one.default), one.name


def test_every_frame_takes_a_runtime_that_does_not_vary(make_node: MakeNode) -> None:
    for given, runtime in (({}, "onnxruntime"), ({"runtime": "openvino"}, "openvino")):
        node, settings = make_node(every_frame=True, **given), Settings()
        declared_parameters.declare(node)
        declared_parameters.read(node, settings)
        assert settings.engine.runtime == runtime


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({"reentry_time": 4000.0}, ["parameter 'reentry_time'", "(allowed: 0 to 3600 s)"]),
        ({"reentry_time": "long"}, ["parameter 'reentry_time': expected a number"]),
        ({"reentry_time": float("nan")}, ["parameter 'reentry_time'"]),
        ({"max_memory_mb": 1e7}, ["(allowed: 0 to 1000000 MB)"]),
        ({"pipeline": "v5"}, ["parameter 'pipeline': 'v5' is unknown: choose one of v3, v4"]),
    ],
)
def test_values_that_are_not_allowed(
    make_node: MakeNode, given: dict[str, Any], reasons: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        declared_parameters.declare(make_node(**given))
    assert all(reason in str(caught.value) for reason in reasons), str(caught.value)


@dataclass
class _Inner:
    strength: float = setting(
        0.5, "How strong.", name="filter_strength", live=True, low=0.0, high=2.0, unit="dB"
    )


@dataclass
class _Outer:
    inner: _Inner = field(default_factory=_Inner)


def test_a_new_setting_needs_nothing_but_its_declaration(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declared_parameters, "SETTINGS", {s.name: s for s in settings_of(_Outer)})
    node, outer = make_node(filter_strength=1.0), _Outer()
    declared_parameters.declare(node)
    described = node.describe_parameter("filter_strength")
    assert described.description == "How strong." and not described.read_only
    assert described.additional_constraints == "unit: dB"
    assert described.floating_point_range[0].to_value == 2.0
    declared_parameters.read_live(node, outer)
    assert outer.inner.strength == 1.0
    assert node.set_parameters([Parameter("filter_strength", value=1.5)])[0].successful
    assert not node.set_parameters([Parameter("filter_strength", value=2.5)])[0].successful
    declared_parameters.read_live(node, outer)
    assert outer.inner.strength == 1.5


def test_a_whole_number_will_do_for_one_with_decimals(make_node: MakeNode) -> None:
    node, settings = make_node(target_fps=10, reentry_time=5), Settings()
    declared_parameters.declare(node)
    declared_parameters.read(node, settings)
    assert (settings.node.target_fps, settings.pipeline.tracking.reentry_s) == (10.0, 5.0)
    converted = declared_parameters.with_floats(
        [Parameter("target_fps", value=12), Parameter("threads", value=2)]
    )
    assert [(one.type_, one.value) for one in converted] == [
        (Parameter.Type.DOUBLE, 12.0),
        (Parameter.Type.INTEGER, 2),
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"target_fps": "fast"}, "expected a number"),
        ({"cameras": 3}, "expected a list of strings"),
    ],
)
def test_types_are_named_in_words(make_node: MakeNode, given: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        declared_parameters.declare(make_node(**given))


def test_an_empty_list_in_a_file_is_the_default(tmp_path: Path) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text("/**:\n  ros__parameters:\n    cameras: []\n    fallback_models: []\n")
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = Node("listed", context=context, cli_args=["--ros-args", "--params-file", str(file)])
    try:
        settings = Settings()
        declared_parameters.declare(node)
        declared_parameters.read(node, settings)
        assert (settings.node.cameras, settings.engine.fallback_models) == ([], [])
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)
