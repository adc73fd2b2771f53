"""`pose_estimation dashboard`: a page about a running node, in any browser on this machine."""

from __future__ import annotations

import argparse
import os
import secrets

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.ros.dds import profile as dds_profile

_PORT = 8088
_VARIABLE = "POSE_ESTIMATION_DASHBOARD_TOKEN"
_SHORTEST_TOKEN = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ros",
        nargs="?",
        default="",
        const="",
        metavar="NAMESPACE",
        help="the node's namespace or full name (default: whichever is heard first)",
    )
    parser.add_argument(
        "--address",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; beyond this machine (0.0.0.0: everywhere) a token is demanded "
        "(default: 127.0.0.1)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=_PORT,
        metavar="PORT",
        help=f"port to listen on; 0: any that is free (default: {_PORT})",
    )
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        help=f"demand this token, of {_SHORTEST_TOKEN} characters or more; {_VARIABLE} in "
        "the environment keeps it off the list of processes (default: none on this machine, a "
        "random one beyond)",
    )


def run(args: argparse.Namespace) -> int:
    try:
        from pose_estimation_ros.ros.dashboard.access import is_loopback
        from pose_estimation_ros.ros.dashboard.serving import listening_socket, serve, url
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("starlette", "uvicorn", "anyio"):
            raise ConfigError(
                f"the dashboard needs starlette and uvicorn ({error}): "
                "pip install starlette uvicorn"
            ) from error
        raise ConfigError(
            f"the dashboard needs ROS 2 ({error}): source it, or run scripts/with_env --with "
            "dashboard pose_estimation dashboard"
        ) from error
    os.environ.update(dds_profile.defaults(os.environ))
    token = args.token if args.token is not None else os.environ.get(_VARIABLE, "")
    if (token or args.token is not None) and not _is_usable(token):
        raise ConfigError(
            f"the token needs {_SHORTEST_TOKEN} characters or more, of letters, digits, - and _: "
            "leave it out for a random one"
        )
    with listening_socket(args.address, args.port) as bound:
        if not token and not is_loopback(bound.getsockname()[0]):
            token = secrets.token_urlsafe(24)
        print(f"the dashboard is at {url(bound, token)} (Ctrl-C ends it)", flush=True)
        serve(bound, args.ros or "", token)
    return 0


def _is_usable(token: str) -> bool:
    plain = token.replace("-", "").replace("_", "")
    return len(token) >= _SHORTEST_TOKEN and plain.isascii() and plain.isalnum()
