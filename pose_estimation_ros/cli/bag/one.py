"""Processes one bag with loaded models, and reports how it went."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import replace
from pathlib import Path

from pose_estimation_ros.cli._interrupt import Interruption
from pose_estimation_ros.cli._model_usage import (
    ModelUsage,
    is_strict,
    load_complaint,
    set_complaint,
    strict_flags,
    wrong_model,
)
from pose_estimation_ros.cli.bag.job import BagJob
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.bags.reader import BagReader
from pose_estimation_ros.io.bags.writer import BagWriter
from pose_estimation_ros.settings import EngineConfig


def repeatable(config: EngineConfig) -> EngineConfig:
    """The configuration without settings that depend on the machine's speed at the moment."""
    runtime = "onnxruntime" if config.runtime == "auto" else config.runtime
    return replace(config, runtime=runtime, call_timeout_s=0.0)


def process_bag(
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


def bag_flags(args: argparse.Namespace) -> list[str]:
    """The words of a command line for one bag, IN and OUT first, without the engine's options."""
    words = ["IN", "OUT", "--storage", args.storage]
    words += [word for topic in args.topic for word in ("--topic", topic)]
    words += ["--depth", args.depth] if args.depth else []
    words += ["--images"] * args.images + ["--force"] * args.force
    return words + strict_flags(args)
