"""No command writes onto, into or over what it reads, whatever the file is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.io.output_check import check_outputs


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"video")
    return path


@pytest.mark.parametrize("alias", ["same", "dots", "symbolic", "hard", "symbolic folder"])
def test_an_input_by_any_name_is_no_output(clip: Path, alias: str) -> None:
    folder = clip.parent
    (folder / "sub").mkdir()
    names = {
        "same": clip,
        "dots": folder / "sub" / ".." / "clip.mp4",
        "symbolic": folder / "link.mp4",
        "hard": folder / "hard.mp4",
        "symbolic folder": folder / "elsewhere" / "clip.mp4",
    }
    (folder / "link.mp4").symlink_to(clip)
    os.link(clip, folder / "hard.mp4")
    (folder / "elsewhere").symlink_to(folder)
    out = names[alias]
    with pytest.raises(ConfigError, match=r"--json: '.*' is the input '.*clip.mp4'"):
        check_outputs([clip], {"--out": None, "--json": out})
    with pytest.raises(ConfigError, match="is the input"):  # and the other way round
        check_outputs([out], {"--json": clip})


def test_nothing_is_written_into_an_input_folder_or_over_one(clip: Path) -> None:
    folder = clip.parent
    for out in (folder, folder / "drawn", folder / "deep" / "er" / "x.json"):
        with pytest.raises(ConfigError, match=r"is the input|lies in the input"):
            check_outputs([folder], {"OUT": out})
    with pytest.raises(ConfigError, match=r"the input '.*clip.mp4' lies in '.*', which would be"):
        check_outputs([clip], {"OUT": folder})


def test_two_outputs_are_two_files(clip: Path) -> None:
    out = clip.parent / "poses.json"
    with pytest.raises(ConfigError, match=r"--coco: '.*' is that of --json, too"):
        check_outputs([clip], {"--json": out, "--coco": clip.parent / "." / "poses.json"})


def test_a_folder_of_links_to_the_inputs_is_not_written_through(
    clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "clip.png").symlink_to(clip)
    with pytest.raises(ConfigError, match="is the input"):
        check_outputs([clip], {"--out, for 'clip.mp4'": out / "clip.png"})


def test_other_places_are_fine(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    outputs = {"--out": other / "clip.mp4", "--json": tmp_path / "new" / "poses.jsonl"}
    check_outputs([clip], {**outputs, "--coco": None})
    check_outputs([tmp_path / "camera that is no file"], outputs)
