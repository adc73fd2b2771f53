"""Runs the server until Ctrl-C, on a socket that is known to be free."""

from __future__ import annotations

import os
import socket

import uvicorn

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.ros.dashboard.access import is_loopback
from pose_estimation_ros.ros.dashboard.node_watch import NodeWatch
from pose_estimation_ros.ros.dashboard.server import Pages

_GRACE_S = 1  # for requests under way at the end
_MOST_CONNECTIONS = 64


def listening_socket(address: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigError: the address is none of this machine's, or the port is taken or not allowed.
    """
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address, port), family=family)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else getattr(error, "strerror", "") or error
        raise ConfigError(
            f"cannot listen on {address}, port {port} ({reason}): choose another --port, 0 for "
            "any that is free, or another --address"
        ) from error


def url(bound: socket.socket, token: str) -> str:
    """Where the page is, for a person's browser."""
    address, port = bound.getsockname()[:2]
    if address in ("0.0.0.0", "::"):  # nosec B104: only compared
        address = socket.gethostname()
    if ":" in address:
        address = f"[{address}]"
    return f"http://{address}:{port}/" + (f"?token={token}" if token else "")


def serve(bound: socket.socket, wanted: str, token: str) -> None:
    """Serves the page about the node `wanted` (see `NodeWatch`) until a signal ends it."""
    watch = NodeWatch(wanted)
    try:
        pages = Pages(watch, lambda: server.should_exit)
        config = uvicorn.Config(
            pages.app(token, everywhere=not is_loopback(bound.getsockname()[0])),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,  # it would hold the token
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
            limit_concurrency=_MOST_CONNECTIONS,
        )
        server = uvicorn.Server(config)
        server.run(sockets=[bound])
    finally:
        watch.close()
