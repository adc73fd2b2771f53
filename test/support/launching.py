"""`ros2 launch` on the checkout's launch files and programs, where launch is at hand.

It comes with ROS 2, but not with the wheels. There, LAUNCH_SETUP may name a file to be sourced
that adds launch, launch_ros and ros2cli.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from paths import ROOT, TESTS

_PROGRAMS = ("pose_estimation_node", "pose_estimation_camera", "pose_estimation")


@lru_cache(maxsize=1)
def _why_absent() -> str:
    setup = os.environ.get("LAUNCH_SETUP", "")
    words = _sourced(["python3", "-c", "import launch_ros, ros2launch"])
    run = subprocess.run(words, capture_output=True, text=True)
    if run.returncode == 0:
        return ""
    if setup:
        return f"LAUNCH_SETUP={setup} has no launch_ros: {run.stderr.strip().splitlines()[-1:]}"
    return "launch_ros is not installed (it comes with ROS 2; or set LAUNCH_SETUP to what adds it)"


def _sourced(command: list[str]) -> list[str]:
    setup = os.environ.get("LAUNCH_SETUP", "")
    source = f"source {shlex.quote(setup)} && " if setup else ""
    return ["bash", "-c", f'{source}exec "$@"', "bash", *command]


def needs_launch() -> None:
    """Skips the test, saying why, where there is no launch."""
    if reason := _why_absent():
        pytest.skip(reason)


def make_prefix(folder: Path, node: Path | None = None) -> Path:
    """A prefix with this checkout's launch files and programs; `node` takes the node's place."""
    share = folder / "share"
    (share / "pose_estimation_ros").mkdir(parents=True)
    for name in ("launch", "config"):
        (share / "pose_estimation_ros" / name).symlink_to(ROOT / name)
    index = share / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "pose_estimation_ros").touch()
    programs = folder / "lib" / "pose_estimation_ros"
    programs.mkdir(parents=True)
    for name in _PROGRAMS:
        text = (ROOT / "scripts" / f"{name}.in").read_text()
        text = text.replace("@Python3_EXECUTABLE@", sys.executable)
        if node is not None and name == "pose_estimation_node":
            text = f"#!{sys.executable}\n{node.read_text()}"
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return folder


def launch_command(prefix: Path, *words: str) -> list[str]:
    """The command `ros2 launch` with the programs of a prefix."""
    environment = [
        f"AMENT_PREFIX_PATH={prefix}{os.pathsep}{os.environ.get('AMENT_PREFIX_PATH', '')}",
        f"PYTHONPATH={ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        f"ROS_LOG_DIR={prefix / 'log'}",
    ]
    return ["env", *environment, *_sourced(["ros2", "launch", *words])]


def launch_file(pipeline: str) -> str:
    return str(ROOT / "launch" / f"{pipeline}.launch.py")


REPORTING_NODE = TESTS / "support" / "reporting_node.py"
