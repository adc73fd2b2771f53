"""`pose_estimation video`: arguments and summary."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from pose_estimation_ros.cli._model_usage import add_strict_argument
from pose_estimation_ros.cli._options import (
    add_engine_arguments,
    build_engine,
    check_count,
    model_files,
    read_settings,
)
from pose_estimation_ros.cli.video.one import process_video
from pose_estimation_ros.cli.video.outputs import STANDARD_OUTPUT, picture_name, writes_pictures
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.io.image_files import ImagesSource
from pose_estimation_ros.io.live_camera import CameraSource
from pose_estimation_ros.io.output_check import check_outputs
from pose_estimation_ros.io.pose_records import EarlierRun, read_records
from pose_estimation_ros.io.sources import TimedSource, open_frames

_RECORDS = (".json", ".jsonl")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="IN",
        help="a video file, an image, a folder of images, a camera's number (0), or a URL "
        "(rtsp://...)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="OUT",
        help="draw the poses: OUT.mp4, or for images OUT.png or a folder",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="POSES.jsonl",
        help="write the poses, one JSON object per frame; -: to standard output",
    )
    parser.add_argument(
        "--coco", type=Path, metavar="RESULTS.json", help="write the poses as COCO results"
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue where the file of --json ends"
    )
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--sequence",
        action="store_true",
        help="the images of a folder are one scene: track persons from one to the next",
    )
    add_strict_argument(parser)
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.resume and args.json in (None, STANDARD_OUTPUT):
        raise ConfigError("--resume continues the file of --json: add --json")
    check_count("frames", args.frames)
    source = open_frames(args.source)
    if args.resume and isinstance(source, CameraSource):
        raise ConfigError("--resume: a camera cannot be resumed")
    _check_outputs(args, source)
    earlier = read_records(args.json) if args.resume else EarlierRun([], 0)
    models, _ = build_engine(args)
    with contextlib.closing(models):
        return process_video(args, source, models, earlier)


def _check_outputs(args: argparse.Namespace, source: TimedSource) -> None:
    """Raises ConfigError where an output would replace an input, or another output."""
    inputs = model_files(read_settings(args))
    outputs: dict[str, Path | None] = {
        "--out": args.out,
        "--json": None if args.json == STANDARD_OUTPUT else args.json,
        "--coco": args.coco,
    }
    if isinstance(source, ImagesSource):
        inputs += source.files
        if args.out and writes_pictures(args.out, source):
            for file in source.files:
                outputs[f"--out, for '{file.name}'"] = args.out / picture_name(file)
        # Pictures in the folder would be read the next time; records would not.
        others = {name: path for name, path in outputs.items() if not _is_record(path)}
        check_outputs([Path(args.source)], others)
    elif not isinstance(source, CameraSource):
        inputs.append(Path(args.source))
    check_outputs(inputs, outputs)


def _is_record(path: Path | None) -> bool:
    return path is not None and path.suffix in _RECORDS
