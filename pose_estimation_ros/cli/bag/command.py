"""`pose_estimation bag`: arguments, and the loop over the bags."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from pose_estimation_ros.cli._model_usage import add_strict_argument, worst
from pose_estimation_ros.cli._options import add_engine_arguments, model_files, read_settings
from pose_estimation_ros.cli.bag.one import bag_flags, process_bag, repeatable
from pose_estimation_ros.cli.cluster.run import (
    Job,
    add_cluster_arguments,
    complain_of_pictures,
    on_cluster,
)
from pose_estimation_ros.cli.cluster.urls import is_url, name_of, recordings_at
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.io.bags.reader import STORAGES as STORAGE_SUFFIXES
from pose_estimation_ros.io.bags.reader import find_bags
from pose_estimation_ros.io.bags.writer import STORAGES
from pose_estimation_ros.io.output_check import check_outputs
from pose_estimation_ros.model_zoo import build_models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bags", nargs="+", metavar="IN", help="rosbag2 folders or files, or a folder"
    )
    parser.add_argument("out", metavar="OUT", help="the new bag; for several bags, a folder")
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
    parser.add_argument(
        "--resume", action="store_true", help="with --cluster: do not do again what is done"
    )
    add_strict_argument(parser)
    add_cluster_arguments(parser)
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.jobs < 1:
        raise ConfigError(f"--jobs: {args.jobs} is below 1")
    settings = read_settings(args)
    if args.cluster:
        return _on_cluster(args)
    if args.resume:
        raise ConfigError("--resume: it goes with --cluster")
    config = repeatable(settings.engine)
    inputs, out = [Path(given) for given in args.bags], Path(args.out)
    bags = [bag for path in inputs for bag in find_bags(path)]
    check_outputs([*inputs, *bags, *model_files(settings)], {"OUT": out})
    several = len(bags) > 1 or any(find_bags(path) != [path] for path in inputs)
    if not several:
        with contextlib.closing(build_models(config)) as models:
            return process_bag(bags[0], out, args, config, models)
    from pose_estimation_ros.cli.bag.parallel import outputs, run_jobs

    pairs = outputs(bags, out)
    if args.jobs > 1:
        return run_jobs(pairs, args)
    codes = []
    with contextlib.closing(build_models(config)) as models:
        for bag, place in pairs:
            try:
                codes.append(process_bag(bag, place, args, config, models))
            except InputError as error:  # a bad bag must not stop the others
                print(f"pose_estimation bag: error: {error}", file=sys.stderr)
                codes.append(1)
    return worst(codes)


def _on_cluster(args: argparse.Namespace) -> int:
    if args.images:
        raise complain_of_pictures("--images")
    bags: list[str] = []
    for given in args.bags:
        bags += (
            recordings_at(given, STORAGE_SUFFIXES)
            if is_url(given)
            else [str(bag) for bag in find_bags(Path(given))]
        )
    several = len(bags) > 1 or bags != args.bags
    jobs = []
    for bag in bags:
        name = name_of(bag)
        name = Path(name).stem if name.endswith(STORAGE_SUFFIXES) else name
        jobs.append(Job(bag, f"{args.out.rstrip('/')}/{name}" if several else args.out))
    if not is_url(args.out):
        inputs = [Path(bag) for bag in bags if not is_url(bag)]
        check_outputs([*inputs, *model_files(read_settings(args))], {"OUT": Path(args.out)})
    for job in jobs:
        if not is_url(job.out) and Path(job.out).exists() and not (args.force or args.resume):
            raise InputError(f"'{job.out}' exists already: remove it, or use --force or --resume")
    return on_cluster("bag", args, bag_flags(args), jobs)
