"""Where ROS cannot write its log, it goes elsewhere, and a line says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import rclpy

from pose_estimation_ros.ros.log_folder import provide_log_folder, usual_folder


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROS_LOG_DIR", "ROS_HOME"):
        monkeypatch.setenv(name, "")


def test_the_usual_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert usual_folder() == tmp_path / ".ros" / "log"
    assert provide_log_folder() == [] and not os.environ["ROS_LOG_DIR"]
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "home"))
    assert usual_folder() == tmp_path / "home" / "log"
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "there"))
    assert usual_folder() == tmp_path / "there"


def test_another_folder_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert provide_log_folder() == []
    assert Path(os.environ["ROS_LOG_DIR"]).is_dir()
    assert (
        f"cannot write its log to {tmp_path}/file/.ros/log: it goes to" in capfd.readouterr().err
    )


def test_without_any_folder_no_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: (_ for _ in ()).throw(OSError()))
    words = provide_log_folder()
    assert "it goes to stderr" in capfd.readouterr().err
    context = rclpy.Context()
    rclpy.init(args=words, context=context)
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    "command",
    [
        ["pose_estimation_ros.cli.main", "doctor"],
        ["pose_estimation_ros.ros.main", "--ros-args", "-p", "pipeline:=v9"],
    ],
)
def test_a_home_that_cannot_be_written_is_no_traceback(command: list[str]) -> None:
    environment = {**os.environ, "HOME": "/proc/nohome"}
    done = subprocess.run(
        [sys.executable, "-m", *command], env=environment, capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    assert "ROS cannot write" in said and "set ROS_LOG_DIR to a folder" in said
