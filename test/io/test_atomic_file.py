"""Files that are written at the end are there whole, or as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io import atomic_file
from pose_estimation_ros.io.atomic_file import check_writable, write_whole


def test_what_was_there_stays_where_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "deep" / "results.json"
    check_writable(file)
    assert not file.exists()
    write_whole(file, "first")
    assert file.read_text() == "first"

    def fail(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic_file.os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        write_whole(file, "second")
    assert file.read_text() == "first" and len(list(file.parent.iterdir())) == 1


def test_links_stay_links_and_devices_devices(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    check_writable(Path("/dev/null"))
    write_whole(Path("/dev/null"), "nothing")
    assert not Path("/dev/null").is_file()
    with pytest.raises(InputError, match="the disk is full"):
        check_writable(Path("/dev/full"))


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    for write in (check_writable, lambda path: write_whole(path, "")):
        with pytest.raises(InputError, match=tmp_path.name):
            write(tmp_path)
