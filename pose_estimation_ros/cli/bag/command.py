"""`pose_estimation bag`: arguments, and the loop over the bags."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from pose_estimation_ros.cli._model_usage import add_strict_argument, worst
from pose_estimation_ros.cli._options import add_engine_arguments, model_files, read_settings
from pose_estimation_ros.cli.bag.one import process_bag, repeatable
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.io.bags.reader import find_bags
from pose_estimation_ros.io.bags.writer import STORAGES
from pose_estimation_ros.io.output_check import check_outputs
from pose_estimation_ros.model_zoo import build_models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bags", nargs="+", type=Path, metavar="IN", help="rosbag2 folders or files, or a folder"
    )
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="the new bag; for several bags, a folder"
    )
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="TOPIC",
        help="an image topic; may be repeated (default: every image topic)",
    )
    parser.add_argument(
        "--depth",
        default="",
        metavar="TOPIC",
        help="a topic of depth images that are aligned with the images, for positions",
    )
    parser.add_argument(
        "--images", action="store_true", help="also write the images with the poses drawn"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="bags processed in parallel"
    )
    parser.add_argument("--storage", choices=tuple(STORAGES), default="mcap", help="default: mcap")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    add_strict_argument(parser)
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.jobs < 1:
        raise ConfigError(f"--jobs: {args.jobs} is below 1")
    settings = read_settings(args)
    config = repeatable(settings.engine)
    bags = [bag for path in args.bags for bag in find_bags(path)]
    check_outputs([*args.bags, *bags, *model_files(settings)], {"OUT": args.out})
    several = len(bags) > 1 or any(find_bags(path) != [path] for path in args.bags)
    if not several:
        with contextlib.closing(build_models(config)) as models:
            return process_bag(bags[0], args.out, args, config, models)
    from pose_estimation_ros.cli.bag.parallel import outputs, run_jobs

    pairs = outputs(bags, args.out)
    if args.jobs > 1:
        return run_jobs(pairs, args)
    codes = []
    with contextlib.closing(build_models(config)) as models:
        for bag, out in pairs:
            try:
                codes.append(process_bag(bag, out, args, config, models))
            except InputError as error:  # a bad bag must not stop the others
                print(f"pose_estimation bag: error: {error}", file=sys.stderr)
                codes.append(1)
    return worst(codes)
