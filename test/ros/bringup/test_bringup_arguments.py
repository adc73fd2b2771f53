"""Launch arguments: of the right type, refused in one line, nothing where they are not given."""

from __future__ import annotations

from typing import Any

import pytest

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.ros.bringup import arguments
from pose_estimation_ros.settings import Settings, settings_of


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {}),
        ({"threads": "", "image": "/x"}, {}),
        ({"threads": "2", "call_timeout": "3", "int8": "False"},
         {"threads": 2, "call_timeout": 3.0, "int8": False}),
        ({"classes": "0", "yolo_model": "''"}, {"classes": "0", "yolo_model": ""}),
        ({"cameras": "front, rear"}, {"cameras": ["front", "rear"]}),
        ({"cameras": "['front','rear']", "fallback_models": "[]"},
         {"cameras": ["front", "rear"], "fallback_models": []}),
        ({"image_transport": "compressed"}, {"compressed": True}),
        ({"image_transport": "raw", "compressed": "false"}, {"compressed": False}),
    ],
)  # fmt: skip
def test_given_settings(values: dict[str, str], expected: dict[str, Any]) -> None:
    found = arguments.given_settings(values)
    assert found == expected
    assert {k: type(v) for k, v in found.items()} == {k: type(v) for k, v in expected.items()}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"threads": "many"}, "threads:=many: expected a whole number, 0 to 256"),
        ({"threads": "1.5"}, "threads:=1.5: expected a whole number"),
        ({"confidence_threshold": "7"}, "confidence_threshold:=7: 7 is not from 0 to 1"),
        ({"confidence_threshold": "nan"}, "confidence_threshold:=nan: expected a number"),
        ({"int8": "maybe"}, "int8:=maybe: expected true or false"),
        ({"pipeline": "v9"}, "pipeline:=v9: 'v9' is unknown: choose one of v3"),
        ({"image_transport": "raw", "compressed": "true"}, "contradict each other"),
    ],
)
def test_what_is_refused(values: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        arguments.given_settings(values)
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "values", [{"log_level": "loud"}, {"respawn": "2"}, {"rviz": "maybe"}, {"view": "maybe"}]
)
def test_what_a_launch_file_decides_is_checked(values: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(values))}:="):
        arguments.check(values)


@pytest.mark.parametrize(
    ("view", "options"),
    [
        ("", None),
        ("false", None),
        ("true", []),
        ("web", ["--web"]),
        ("rerun+http://desk:9876/proxy", ["--connect", "rerun+http://desk:9876/proxy"]),
    ],
)
def test_the_view_is_a_window_a_page_or_a_viewer_elsewhere(
    view: str, options: list[str] | None
) -> None:
    assert arguments.view_options({"view": view}) == options


def test_no_argument_hides_another() -> None:
    own = [argument.name for argument in arguments.BRINGUP]
    assert not set(own) & {setting.name for setting in settings_of(Settings)}
    assert len(arguments.described("v3")) == len(own) + len(list(settings_of(Settings)))
