"""The containers' files parse, are linted, and name what is there.

Building them needs Docker, which a test machine lacks: CI does that.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from paths import ROOT

from pose_estimation_ros.ros.bringup.arguments import described

DOCKERFILES = [ROOT / "docker" / "Dockerfile", ROOT / ".devcontainer" / "Dockerfile"]
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())


def _tool(name: str) -> str:
    """The path of a tool of the test environment."""
    beside = Path(sys.executable).with_name(name)
    path = str(beside) if beside.is_file() else shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed here (there is none for every processor)")
    return path


def _instructions(dockerfile: Path) -> list[list[str]]:
    """The words of every instruction, with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    text = re.sub(r"\\\n\s*", " ", text)
    return [line.split() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_dockerfile_is_linted(dockerfile: Path) -> None:
    run = subprocess.run(
        [_tool("hadolint"), "--no-color", str(dockerfile)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_compose_file_is_one() -> None:
    """By the schema of the Compose specification."""
    command = [_tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    run = subprocess.run(
        [*command, str(ROOT / "docker" / "compose.yaml")], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def _copied() -> list[str]:
    """What docker/Dockerfile copies from the checkout."""
    return [
        source
        for words in _instructions(DOCKERFILES[0])
        if words[0] == "COPY" and not words[1].startswith("--from")
        for source in words[1:-1]
    ]


def test_what_is_copied_is_there_and_goes_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    sent = [line.removeprefix("!") for line in lines if line.startswith("!")]
    for source in _copied():
        assert list(ROOT.glob(source)), source
        assert any(name == source or name.startswith(f"{source}/") for name in sent), source


def test_what_cmake_installs_is_copied() -> None:
    text = (ROOT / "CMakeLists.txt").read_text()
    (shared,) = re.findall(r"^install\(DIRECTORY ([a-z ]+) DESTINATION share", text, re.MULTILINE)
    assert {*shared.split(), "msg", "scripts/*.in", "pose_estimation_ros"} <= {*_copied()}


def test_the_stages_that_are_named_exist() -> None:
    stages = set()
    for words in _instructions(DOCKERFILES[0]):
        if words[0] == "FROM":
            assert words[1] in stages or words[1].startswith("ros:jazzy")
            stages.add(words[3] if len(words) > 3 else "")
        for word in words:
            if word.startswith("--from="):
                assert word.removeprefix("--from=") in stages
    for service in COMPOSE["services"].values():
        assert service["build"]["target"] in stages
        folder = (ROOT / "docker" / service["build"]["context"]).resolve()
        assert (folder / service["build"]["dockerfile"]).samefile(DOCKERFILES[0])


def test_the_node_is_launched_with_arguments_that_it_has() -> None:
    command = COMPOSE["services"]["node"]["command"]
    assert command[:3] == ["ros2", "launch", "pose_estimation_ros"]
    pipelines = [path.name.partition(".")[0] for path in (ROOT / "launch").glob("*.launch.py")]
    assert command[3].replace("${PIPELINE:-v4}", "v4").partition(".")[0] in pipelines
    for argument in command[4:]:
        assert argument.partition(":=")[0] in described("v4")


def test_the_camera_publishes_what_the_node_is_told() -> None:
    (namespace,) = re.findall(r"__ns:=(\S+)", " ".join(COMPOSE["services"]["camera"]["command"]))
    command = " ".join(COMPOSE["services"]["node"]["command"])
    assert f"image:={namespace}/image_raw" in command
    assert f"camera_info:={namespace}/camera_info" in command


def test_both_ends_of_the_images_have_the_profile() -> None:
    """The camera and the viewer are built on the node's image, whose environment has it."""
    texts = [" ".join(words) for words in _instructions(DOCKERFILES[0])]
    (profile,) = [text for text in texts if text.startswith("ENV FASTRTPS_DEFAULT_PROFILES_FILE=")]
    name = profile.partition("/share/pose_estimation_ros/")[2]
    assert (ROOT / name).is_file()
    node = texts.index("FROM ros:jazzy-ros-core AS node")
    assert node < texts.index(profile) < texts.index("FROM node AS camera")
    assert "FROM node AS viewer" in texts


def test_the_dev_container_names_what_is_there() -> None:
    folder = ROOT / ".devcontainer"
    settings = json.loads((folder / "devcontainer.json").read_text())
    assert (folder / settings["build"]["dockerfile"]).is_file()
    assert (folder / settings["build"]["context"]).resolve() == ROOT
    (script,) = re.findall(r"(scripts/\w+)", settings["postCreateCommand"])
    assert (ROOT / script).is_file()
