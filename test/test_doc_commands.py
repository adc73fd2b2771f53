"""The commands that the documents name run, or say what they need that a test machine lacks.

A block of shell lines is run as it stands, in a folder that holds the files it names, unless a
comment before it says why not: `<!-- needs: a webcam -->`. Commands in running text are read as
the command line reads them, and those of the pages on commands and models are run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import cv2
import pytest
from paths import ROOT
from recordings import write_bag

from pose_estimation_ros.cli.main import COMMANDS
from pose_estimation_ros.io.video_writer import VideoWriter
from pose_estimation_ros.ros.bringup.arguments import described

pytestmark = pytest.mark.processes

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "training" / "README.md"]
_BLOCK = re.compile(
    r"(?:<!-- needs: ([^>]+?) -->\n+)?^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
# What a test must not do, or cannot.
_OUTSIDE = re.compile(r"\b(sudo|apt|rosdep|docker|ros2|git|pip install|colcon)\b|~/")
_INLINE = re.compile(r"`([^`]+)`")
_WITH_ENV = re.compile(r"\bscripts/with_env (?:--with \w+ )*")
_MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# Named with arguments in running text, and run here.
_RUN_FROM = ("docs/cli.md", "docs/models.md")
_NOT_RUN = {
    "video 0": "needs a webcam",
    "models fetch": "needs the network",
    "models convert": "test/model_zoo/conversion",
    "compare clip.mp4 --model-path": "as that of docs/cli.md, and slow",
}


def _blocks() -> Iterator[tuple[str, str, str]]:
    """The page, what it needs, and the lines of every block of commands."""
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        for needs, lines in _BLOCK.findall(page.read_text(encoding="utf-8")):
            yield name, " ".join(needs.split()), lines


def _inline(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [" ".join(code.split()) for code in _INLINE.findall(text)]


def _commands() -> list[tuple[str, str]]:
    """Page and command of everything that is to be typed, one line each."""
    found = []
    for page, _, lines in _blocks():
        joined = re.sub(r"\\\n\s*", " ", lines)
        for line in joined.splitlines():
            parts = re.split(r" && | \| |; ", line.partition("  #")[0])
            found += [(page, part.strip()) for part in parts if part.strip()]
    for page in PAGES:
        found += [(page.relative_to(ROOT).as_posix(), code) for code in _inline(page)]
    return sorted({(page, _WITH_ENV.sub("", code)) for page, code in found})


def _words(command: str) -> list[str]:
    """Its words; of what is optional or to be replaced the words themselves."""
    return shlex.split(re.sub(r"[\[\]]|\.\.\.", "", command).replace("|", " "), comments=True)


class _RefusedError(Exception):
    """What argparse would say."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _RefusedError(message)


def _refusal(command: str) -> str:
    """Why the command line would refuse a command; what is left out does not count."""
    name, *words = _words(command)[1:]
    if name.startswith("-"):
        return ""
    if name not in COMMANDS:
        return f"there is no command {name}"
    parser = _Parser()
    importlib.import_module(f"pose_estimation_ros.cli.{COMMANDS[name][0]}").add_arguments(parser)
    for left_out in ([], ["list"], ["x"], ["x", "x"]):
        try:
            parser.parse_args([*words, *left_out])
        except _RefusedError as error:
            reason = str(error)
            if "required" not in reason:
                return reason
        else:
            return ""
    return reason


PARSED = [c for c in _commands() if re.match(r"pose_estimation [\w-]", c[1])]


@pytest.mark.parametrize(("page", "command"), PARSED, ids=[f"{p}: {c}" for p, c in PARSED])
def test_commands_are_written_as_the_command_line_reads_them(page: str, command: str) -> None:
    assert _refusal(command) == ""


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert "dance" in _refusal("pose_estimation dance")
    assert "--loud" in _refusal("pose_estimation video clip.mp4 --loud")
    assert "many" in _refusal("pose_estimation video clip.mp4 --frames many")
    assert _refusal("pose_estimation bag --jobs 2") == ""


@pytest.mark.parametrize(
    "command", sorted({c for _, c in _commands() if re.match(r"make [a-z]+( [A-Z]+=|$)", c)})
)
def test_make_has_the_targets_and_variables_that_are_named(command: str) -> None:
    _, target, *settings = shlex.split(command)
    assert re.search(rf"^{target}:", _MAKEFILE, re.MULTILINE), target
    for setting in settings:
        name = setting.partition("=")[0]
        assert re.search(rf"\$[({{](or \$\()?{name}\b", _MAKEFILE), name


@pytest.mark.parametrize(
    "command", sorted({c for _, c in _commands() if c.startswith("ros2 launch pose_estimation")})
)
def test_launch_files_have_the_arguments_that_are_named(command: str) -> None:
    words = re.sub(r"\$\([^)]*\)", "", command).split()
    assert (ROOT / "launch" / words[3]).is_file()
    for word in words[4:]:
        assert word.startswith("-") or word.partition(":=")[0] in described("v4"), word


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scene_frames: list) -> Path:
    """Holds the files that the documents' commands name."""
    folder = tmp_path_factory.mktemp("user")
    height, width = scene_frames[0].shape[:2]
    with VideoWriter(folder / "clip.mp4", 30.0, width, height) as writer:
        for pixels in scene_frames[:6]:
            writer.write(pixels)
    model = ROOT / "models" / "convnextpose_xs_coco17.onnx"
    (folder / "my_pose.onnx").write_bytes(model.read_bytes())
    write_bag(
        folder / "recording", {"/camera/image_raw": "sensor_msgs/msg/Image"}, scene_frames[:3]
    )
    (folder / "folder").mkdir()
    assert cv2.imwrite(str(folder / "folder" / "a.jpg"), scene_frames[0])
    joints = [[width / 6 + 4 * (i % 5), 150 + 12 * i, 2] for i in range(17)]
    person = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [10, 60, 290, 420],
        "area": 290 * 420,
        "iscrowd": 0,
        "keypoints": [value for joint in joints for value in joint],
        "num_keypoints": 17,
    }
    image = {"id": 1, "file_name": "a.jpg", "width": width, "height": height}
    people = {
        "images": [image],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person"}],
    }
    (folder / "people.json").write_text(json.dumps(people))
    return folder


def _run(lines: str, folder: Path) -> None:
    """Runs the lines of a shell as a user does in a checkout, but in another folder."""
    script = []
    for line in re.sub(r"\\\n\s*", " ", lines).splitlines():
        text = line
        if line.startswith("make "):
            command = ["make", "-n", "-C", str(ROOT), *shlex.split(line, comments=True)[1:]]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            text = "\n".join(one for one in text.splitlines() if not one.startswith("make"))
        script.append(_WITH_ENV.sub("", text))
    environment = {**os.environ, "POSE": f"{sys.executable} -m pose_estimation_ros.cli.main"}
    define = 'pose_estimation() { $POSE "$@"; }\n'
    run = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", define + "\n".join(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert run.returncode == 0, run.stdout + run.stderr


RUN = [(page, lines) for page, needs, lines in _blocks() if not needs]


@pytest.mark.parametrize(("page", "lines"), RUN, ids=[f"{p}: {lines[:40]}" for p, lines in RUN])
def test_blocks_run(page: str, lines: str, folder: Path) -> None:
    assert not _OUTSIDE.search(lines), "mark what it needs: <!-- needs: ... -->"
    if "demo" in lines:
        pytest.importorskip("rclpy")
    _run(lines, folder)


INLINE = sorted(
    {
        command
        for name in _RUN_FROM
        for command in _inline(ROOT / name)
        if re.match(r"pose_estimation \w+ [^\[]+$", command)
        and not any(command.startswith(f"pose_estimation {start}") for start in _NOT_RUN)
        and not re.search(r"\b[A-Z]{3,}\b", command)
    }
)


@pytest.mark.parametrize("command", INLINE)
def test_commands_in_the_text_run(command: str, folder: Path) -> None:
    _run(command, folder)
