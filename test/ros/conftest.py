"""The rig that integration tests run in."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Rig, open_rig


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    name = re.sub(r"\W+", "_", request.node.name).strip("_")
    with open_rig(name, tmp_path) as opened:
        yield opened
