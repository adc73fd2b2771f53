"""Parameter files are read for a node as rcl reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.ros.bringup.parameter_files import chosen_file, parameters_of

EYES = "{ros__parameters: {threads: 1}}"


@pytest.mark.parametrize(
    ("text", "node", "expected"),
    [
        (f"/**: {EYES}", "/eyes", {"threads": 1}),
        (f"/**: {EYES}", "/a/b/eyes", {"threads": 1}),
        (f"eyes: {EYES}", "/eyes", {"threads": 1}),
        (f"eyes: {EYES}", "/a/eyes", {}),
        (f"/a/eyes: {EYES}", "/a/eyes", {"threads": 1}),
        (f"a: {{eyes: {EYES}}}", "/a/eyes", {"threads": 1}),
        (f"/*/eyes: {EYES}", "/a/eyes", {"threads": 1}),
        (f"/*/eyes: {EYES}", "/eyes", {}),
        (f"/**/eyes: {EYES}", "/a/b/eyes", {"threads": 1}),
        (f"/**/eyes: {EYES}", "/a/b/ears", {}),
        (f"/**: {EYES}\n/eyes: {{ros__parameters: {{threads: 2}}}}", "/eyes", {"threads": 2}),
    ],
)
def test_parameters_of(tmp_path: Path, text: str, node: str, expected: dict[str, Any]) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text(text)
    assert parameters_of(file, node) == expected


@pytest.mark.parametrize("text", ["", "[1, 2", "just words", "\x00"])
def test_what_is_no_parameter_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="parameter file ") as refused:
        parameters_of(file, "/eyes")
    assert "\n" not in str(refused.value)


def test_the_file_has_two_names_and_must_exist(tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    file.touch()
    assert chosen_file({}) is None and chosen_file({"config": ""}) is None
    for values in ({"config": str(file)}, {"params_file": str(file)}):
        assert chosen_file(values) == file
    assert chosen_file({"config": str(file), "params_file": str(file)}) == file
    with pytest.raises(ConfigError, match="two names"):
        chosen_file({"config": str(file), "params_file": "/other"})
    with pytest.raises(ConfigError, match="config:=/nowhere: there is no such file"):
        chosen_file({"config": "/nowhere"})
