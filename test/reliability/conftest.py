"""Rows, the rig of test/ros, and one page at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest


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
