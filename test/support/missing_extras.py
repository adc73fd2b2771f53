"""`colcon test` on a machine with ROS and little else: tests of absent libraries are skipped.

Where TESTS_SKIP_EXTRAS is set. Elsewhere whatever is missing fails, since `make test` installs it.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

ASKED = bool(os.environ.get("TESTS_SKIP_EXTRAS"))
# What a ROS machine has, as README.md sets it up: missing, it is no reason to skip anything.
_NEEDED = ("cv2", "numpy", "onnxruntime", "pose_estimation_ros", "psutil", "rclpy", "yaml")


def _missing(error: BaseException | None) -> str:
    """The absent library that an error comes from; empty where it has another cause."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            name = error.name.partition(".")[0]
            return "" if name in _NEEDED else name
        error = error.__cause__ or error.__context__
    return ""


def _skip(report: Any, call: Any, path: Any) -> None:
    name = _missing(call.excinfo.value) if report.failed and call.excinfo else ""
    if name:
        report.outcome = "skipped"
        report.longrepr = (str(path), 0, f"Skipped: {name} is not installed")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: Any) -> Generator[None, Any, Any]:
    report = yield
    if hasattr(report, "call"):
        _skip(report, report.call, collector.path)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, Any]:
    report = yield
    _skip(report, call, item.path)
    return report
