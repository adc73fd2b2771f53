"""Rows, the rig of test/ros, and one page at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests share a node, so one worker runs them all."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A namespace for this test."""
    return re.sub(r"\W+", "_", request.node.name).strip("_")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, scene_frames: list[np.ndarray]) -> Iterator:
    """One node for the module's tests, in order; each leaves it well."""
    from stage import open_stage

    folder = tmp_path_factory.mktemp("stage")
    with open_stage(
        f"stage_{folder.parent.name.replace('-', '_')}", folder, scene_frames, use_depth=True
    ) as opened:
        opened.good()
        yield opened
