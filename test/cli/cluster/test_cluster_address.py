"""`--cluster ADDRESS` where something listens that is not Ray."""

from __future__ import annotations

import socket

import pytest

from pose_estimation_ros.cli.cluster.connection import _check_answers
from pose_estimation_ros.errors import InputError

pytest.importorskip("ray", reason="Ray is not installed")


def test_what_listens_without_being_ray_is_refused() -> None:
    """Ray would try for minutes, and then end this process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=f"{address}: what listens there is no Ray"):
            _check_answers(address)
