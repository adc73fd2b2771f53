"""`pose_estimation view`: arguments, and what they ask for."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pose_estimation_ros.cli._options import (
    add_engine_arguments,
    check_count,
    given_settings,
    model_files,
    read_settings,
)
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.io.live_camera import is_live
from pose_estimation_ros.io.output_check import check_outputs
from pose_estimation_ros.settings import PIPELINES
from pose_estimation_ros.view.destinations import Destinations

_NODE_RATE = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        nargs="?",
        default="",
        metavar="IN",
        help="v3, v4 or hybrid: the pipeline, on the demo's scene; or a video file, an image, a "
        "folder of images, a camera's number (0), or a URL. Default: v4",
    )
    parser.add_argument(
        "--ros",
        metavar="NAMESPACE",
        help="show what the node of this namespace answers (/: of none)",
    )
    where = parser.add_argument_group("where it is shown (default: in a window)")
    where.add_argument(
        "--web", action="store_true", help="in a browser, at the URL that is printed"
    )
    where.add_argument(
        "--web-address",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="serve the browser's page at this address: 0.0.0.0 is all of this machine's, and "
        "there is no password. Default: 127.0.0.1, for this machine alone",
    )
    where.add_argument(
        "--port",
        type=int,
        default=9090,
        metavar="PORT",
        help="port of the page; the next one is that of its data. Default: 9090",
    )
    where.add_argument(
        "--connect",
        default="",
        metavar="URL",
        help="in a viewer that runs elsewhere (rerun --bind 0.0.0.0): rerun+http://HOST:9876/proxy",
    )
    where.add_argument(
        "--save", type=Path, metavar="RUN.rrd", help="record it; without the others, only that"
    )
    where.add_argument(
        "--memory-limit",
        default="512MB",
        metavar="SIZE",
        help="how much the viewer keeps, the oldest is dropped: 512MB, 2GiB, 10%%. Default: 512MB",
    )
    parser.add_argument(
        "--rate",
        type=float,
        metavar="RATE",
        help="show at most so many frames a second; 0: all. Default: 10 of a node, else all",
    )
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="stop after N frames")
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    check_count("rate", args.rate)
    check_count("frames", args.frames)
    wanted = Destinations(
        args.save,
        args.web or args.web_address != "127.0.0.1",
        args.web_address,
        args.port,
        args.connect,
        args.memory_limit,
    )
    if args.ros is not None:
        if args.source:
            raise ConfigError(f"--ros shows a node, '{args.source}' something else: choose one")
        if given := given_settings(args):
            raise ConfigError(
                f"--ros shows what the node does: {', '.join(given)} is set there (ros2 param set)"
            )
    elif args.source in PIPELINES and not Path(args.source).exists():
        args.pipeline, args.source = args.source, ""
    settings = read_settings(args)
    files = model_files(settings)
    if args.source and not is_live(args.source):
        files.append(Path(args.source))
    check_outputs(files, {"--save": args.save})
    wanted.check(os.environ)
    if args.ros is not None:
        from pose_estimation_ros.cli.view.node import show_node

        rate = _NODE_RATE if args.rate is None else args.rate
        show_node(args.ros, wanted, rate, args.frames)
        return 0
    from pose_estimation_ros.cli.view.local import show_source

    show_source(args, wanted)
    return 0
