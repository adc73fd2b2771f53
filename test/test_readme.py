"""What the README and the documents say is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from pose_estimation_ros.io.video_writer import VideoWriter

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pose_estimation_ros"
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "models").glob("*.md"),
    ROOT / "training" / "README.md",
]


@pytest.mark.parametrize("block", ["parameter_table", "message_table", "cli_reference"])
def test_what_is_written_from_the_code_is_that_of_the_code(block: str) -> None:
    script = ROOT / "scripts" / f"{block}.py"
    subprocess.run([sys.executable, script, "--check"], check=True)


def test_every_command_is_named() -> None:
    from pose_estimation_ros.cli.main import COMMANDS

    for command in COMMANDS:
        assert f"`pose_estimation {command}" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_are_python(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        compile(block, page.name, "exec")


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("block", EXAMPLES, ids=["image", "stream"])
def test_the_examples_of_the_front_door_run(
    block: str, scene_frames: list, tmp_path: Path
) -> None:
    """As a user copies them, in a folder that holds the files they name."""
    cv2.imwrite(str(tmp_path / "people.jpg"), scene_frames[0])
    height, width = scene_frames[0].shape[:2]
    with VideoWriter(tmp_path / "clip.mp4", 30.0, width, height) as writer:
        for index, frame in enumerate(scene_frames[:5]):
            writer.write_at(frame, index / 30)
    run = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()
    if "imread" in block:
        assert len(lines) >= 3 and all("Joint(x=" in line for line in lines)
    else:
        assert len(lines) == 5 and all(line.endswith("1 persons") for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_it_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:models|config|scripts|training)/[\w./]*)`", text):
        assert (ROOT / name).exists(), name
    for name in re.findall(
        r"`((?:engine|io|model_zoo|evaluation|ros|cli|settings)/[\w./]*)`", text
    ):
        assert (PACKAGE / name).exists(), name
    for name in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (page.parent / name).exists(), name


def test_the_architecture_page_shows_every_folder_of_the_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for folder in PACKAGE.rglob("__init__.py"):
        name = folder.parent.name
        if folder.parent != PACKAGE and folder.parent.parent.name != "cli":
            assert f"{name}/ " in text, name
