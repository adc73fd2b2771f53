"""`pose_estimation bag`: arguments, and the loop over the bags."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import replace
from pathlib import Path

from pose_estimation_ros.cli._interrupt import Interruption
from pose_estimation_ros.cli._model_usage import (
    ModelUsage,
    add_strict_argument,
    is_strict,
    load_complaint,
    set_complaint,
    worst,
    wrong_model,
)
from pose_estimation_ros.cli._options import add_engine_arguments, model_files, read_settings
from pose_estimation_ros.cli.bag.job import BagJob
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.io.bags.reader import BagReader, find_bags
from pose_estimation_ros.io.bags.writer import STORAGES, BagWriter
from pose_estimation_ros.io.output_check import check_outputs
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig


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
            return _one(bags[0], args.out, args, config, models)
    from pose_estimation_ros.cli.bag.parallel import outputs, run_jobs

    pairs = outputs(bags, args.out)
    if args.jobs > 1:
        return run_jobs(pairs, args)
    codes = []
    with contextlib.closing(build_models(config)) as models:
        for bag, out in pairs:
            try:
                codes.append(_one(bag, out, args, config, models))
            except InputError as error:  # a bad bag must not stop the others
                print(f"pose_estimation bag: error: {error}", file=sys.stderr)
                codes.append(1)
    return worst(codes)


def repeatable(config: EngineConfig) -> EngineConfig:
    """The configuration without settings that depend on the machine's speed at the moment."""
    runtime = "onnxruntime" if config.runtime == "auto" else config.runtime
    return replace(config, runtime=runtime, call_timeout_s=0.0)


def _one(
    bag: Path, out: Path, args: argparse.Namespace, config: EngineConfig, models: Models
) -> int:
    """Processes one bag; the exit code. That it was damaged, or of whose models, is reported."""
    strict, usage = is_strict(args, config), ModelUsage(models)
    with BagReader(bag) as reader:
        job = BagJob(reader, args, config, models, usage)
        models.load()
        complaint = set_complaint(args, config, models.one_stage) or load_complaint(models)
        if strict and complaint:
            return wrong_model("bag", f"bag '{bag}': {complaint}")
        with Interruption() as interruption, contextlib.ExitStack() as stack:
            writer = stack.enter_context(BagWriter(out, args.storage, args.force))
            stack.callback(interruption.finish)
            try:
                job.run(writer, interruption)
            except KeyboardInterrupt:
                so_far = f", so far, in {writer.partial}" if job.answered else ""
                print(f"{job.summary()}{so_far}", file=sys.stderr)
                raise
            except InputError as error:
                so_far = f" (what was written is in {writer.partial})" if job.answered else ""
                raise InputError(f"{error}{so_far}") from error
        print(f"{out}: {job.summary()}")
        print(usage.summary())
        if reader.damage:
            text = f"bag '{bag}': {reader.damage}; everything before that is in {out}"
            print(f"pose_estimation bag: error: {text}", file=sys.stderr)
    if reader.damage:
        return 1
    if strict and usage.complaint:
        return wrong_model("bag", f"bag '{bag}': {usage.complaint}")
    return 0
