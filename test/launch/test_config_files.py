"""The packaged parameter files: each name a parameter, each value allowed, each one starts."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from paths import ROOT

from pose_estimation_ros.settings import PIPELINES, Settings, settings_of

FOLDER = ROOT / "config"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.stem in PIPELINES)
PRESETS = sorted((FOLDER / "presets").glob("*.yaml"))
USE_CASES = {"fitness", "surveillance", "sports", "vr", "gaming", "corporate", "cloud"}


def _values(path: Path) -> dict:
    return yaml.safe_load(path.read_text())["/**"]["ros__parameters"]


@pytest.mark.parametrize("path", [*FILES, *PRESETS], ids=lambda path: path.stem)
def test_config_file(path: Path) -> None:
    settings = {one.name: one for one in settings_of(Settings)}
    for name, value in _values(path).items():
        assert name in settings, f"{path.name}: there is no parameter '{name}'"
        assert type(value) is type(settings[name].default), f"{path.name}: {name}"
        assert not settings[name].refusal(value, name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_pipelines_file_is_named_after_it(path: Path) -> None:
    assert _values(path)["pipeline"] == path.stem


@pytest.mark.parametrize("path", [*FILES, *PRESETS], ids=lambda path: path.stem)
def test_no_default_is_repeated(path: Path) -> None:
    """It would override a file that is given beside this one, or stay behind when it changes."""
    values = _values(path)
    del values["pipeline"]  # what the file is about, whichever it is
    defaults = {one.name: one.default for one in settings_of(Settings)}
    assert not [name for name, value in values.items() if value == defaults[name]]


def test_there_is_a_preset_for_every_use_case() -> None:
    assert {path.stem for path in PRESETS} == USE_CASES


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_says_what_it_trades(path: Path) -> None:
    comment = " ".join(
        line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("#")
    )
    assert "Gains: " in comment and "Gives up: " in comment
    pipeline = _values(path)["pipeline"]
    assert pipeline in PIPELINES and f"{pipeline}.launch.py config:=" in comment


def test_every_preset_starts(tmp_path: Path) -> None:
    """All at once: each node takes images, and ends cleanly on Ctrl-C."""
    places = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    found = [p / "lib/pose_estimation_ros/pose_estimation_node" for p in places]
    node = next((path for path in found if path.is_file()), None)
    if node is None:
        pytest.skip("the package is not sourced: run the tests with scripts/with_env")
    running = {}
    try:
        for path in PRESETS:
            command = [node, "--ros-args", "--params-file", path, "-r", f"__ns:=/{path.stem}"]
            with (tmp_path / path.stem).open("wb") as log:
                running[path.stem] = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        for name, process in running.items():
            while "waiting for images" not in (tmp_path / name).read_text():
                said = (tmp_path / name).read_text()
                assert process.poll() is None and time.monotonic() < deadline, said
                time.sleep(0.05)
        for name, process in running.items():
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0, (tmp_path / name).read_text()
            said = (tmp_path / name).read_text()
            assert "Traceback" not in said and "fell back" not in said, said
    finally:
        for process in running.values():
            process.kill()
            process.wait()
