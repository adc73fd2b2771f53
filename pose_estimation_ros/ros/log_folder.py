"""A fallback for ROS's log folder where the usual one is not writable."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

_WITHOUT_FILES = ["--ros-args", "--disable-external-lib-logs", "--"]


def usual_folder() -> Path:
    """Where ROS writes its logs: ROS_LOG_DIR, else log in ROS_HOME, else ~/.ros/log."""
    if os.environ.get("ROS_LOG_DIR"):
        return Path(os.environ["ROS_LOG_DIR"])
    home = os.environ.get("ROS_HOME") or str(Path(os.environ.get("HOME", "/")) / ".ros")
    return Path(home) / "log"


def provide_log_folder() -> list[str]:
    """Makes sure that rclpy.init finds a writable log folder; prints a line if it is another.

    Returns:
        Arguments for rclpy.init, after its others: where no folder can be written, not even a
        temporary one, that no file is to be written.
    """
    usual = usual_folder()
    if _is_writable(usual):
        return []
    try:
        os.environ["ROS_LOG_DIR"] = tempfile.mkdtemp(prefix="ros_log_")
    except OSError:
        _say(f"ROS cannot write its log to {usual}, nor to a temporary folder: it goes to stderr")
        return list(_WITHOUT_FILES)
    _say(f"ROS cannot write its log to {usual}: it goes to {os.environ['ROS_LOG_DIR']}")
    return []


def _say(text: str) -> None:
    print(f"{text}; set ROS_LOG_DIR to a folder that can be written", file=sys.stderr)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return False
    return True
