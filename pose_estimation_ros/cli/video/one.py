"""Processes one source with loaded models, and reports how it went."""

from __future__ import annotations

import argparse
import sys

from pose_estimation_ros.cli._model_usage import (
    ModelUsage,
    is_strict,
    load_complaint,
    set_complaint,
    wrong_model,
)
from pose_estimation_ros.cli._options import read_settings
from pose_estimation_ros.cli.video.job import VideoJob
from pose_estimation_ros.cli.video.outputs import STANDARD_OUTPUT
from pose_estimation_ros.engine.pipelines import Models, build_pipeline
from pose_estimation_ros.io.image_files import ImagesSource
from pose_estimation_ros.io.pose_records import EarlierRun
from pose_estimation_ros.io.sources import TimedSource


def process_video(
    args: argparse.Namespace,
    source: TimedSource,
    models: Models,
    earlier: EarlierRun,
    measured: bool = True,
) -> int:
    """Processes a source after the records of an earlier run; the exit code.

    Where it is not `measured`, as the models only repeat answers, no latency is reported.

    Raises:
        InputError: something cannot be read or written.
        KeyboardInterrupt: after Ctrl-C, when what was done has been reported.
    """
    settings = read_settings(args)
    config = settings.engine
    strict, usage = is_strict(args, config), ModelUsage(models)
    complaint = set_complaint(args, config, models.one_stage) or load_complaint(models)
    if strict and complaint:
        return wrong_model("video", complaint)
    pipeline = build_pipeline(config.pipeline, models, settings.pipeline)
    job = VideoJob(args, source, pipeline, earlier, usage)
    complete = job.run()
    # Where the records go to standard output, nothing else does.
    said = sys.stderr if args.json == STANDARD_OUTPUT else sys.stdout
    print(job.summary(measured), file=said)
    for line in job.limits():
        print(f"note: {line}", file=sys.stderr)
    print(usage.summary(), file=said)
    if not complete:
        if args.json and not isinstance(source, ImagesSource):
            print(f"continue with --resume: {job.done} frames are in {args.json}")
        raise KeyboardInterrupt
    if strict and usage.complaint:
        return wrong_model("video", usage.complaint)
    return 0
