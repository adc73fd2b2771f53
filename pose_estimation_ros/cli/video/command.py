"""`pose_estimation video`: arguments and summary."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from pose_estimation_ros.cli._model_usage import add_strict_argument, strict_flags
from pose_estimation_ros.cli._options import (
    add_engine_arguments,
    build_engine,
    check_count,
    model_files,
    read_settings,
)
from pose_estimation_ros.cli.cluster.run import (
    Job,
    add_cluster_arguments,
    complain_of_pictures,
    on_cluster,
)
from pose_estimation_ros.cli.cluster.urls import is_url, name_of, recordings_at
from pose_estimation_ros.cli.video.one import process_video
from pose_estimation_ros.cli.video.outputs import STANDARD_OUTPUT, picture_name, writes_pictures
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.io.image_files import ImagesSource
from pose_estimation_ros.io.live_camera import CameraSource
from pose_estimation_ros.io.output_check import check_outputs
from pose_estimation_ros.io.pose_records import EarlierRun, read_records
from pose_estimation_ros.io.sources import TimedSource, open_frames

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v")
_RECORDS = (".json", ".jsonl")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="IN",
        help="a video file, an image, a folder of images, a camera's number (0), or a URL "
        "(rtsp://...); several with --cluster",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="OUT",
        help="draw the poses: OUT.mp4, or for images OUT.png or a folder",
    )
    parser.add_argument(
        "--json",
        metavar="POSES.jsonl",
        help="write the poses, one JSON object per frame; -: to standard output; of several: a "
        "folder",
    )
    parser.add_argument(
        "--coco",
        metavar="RESULTS.json",
        help="write the poses as COCO results; of several: a folder",
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
    add_cluster_arguments(parser)
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    check_count("frames", args.frames)
    if args.cluster:
        return _on_cluster(args)
    if len(args.sources) > 1:
        raise ConfigError("several inputs: add --cluster local, or give them one by one")
    (args.source,) = args.sources
    args.json, args.coco = (Path(given) if given else None for given in (args.json, args.coco))
    if args.resume and args.json in (None, STANDARD_OUTPUT):
        raise ConfigError("--resume continues the file of --json: add --json")
    source = open_frames(args.source)
    if args.resume and isinstance(source, CameraSource):
        raise ConfigError("--resume: a camera cannot be resumed")
    _check_outputs(args, source)
    earlier = read_records(args.json) if args.resume else EarlierRun([], 0)
    models, _ = build_engine(args)
    with contextlib.closing(models):
        return process_video(args, source, models, earlier)


def _on_cluster(args: argparse.Namespace) -> int:
    if args.out:
        raise complain_of_pictures("--out")
    if not args.json or args.json == str(STANDARD_OUTPUT):
        raise ConfigError("--cluster writes the file of --json: add --json")
    places: list[str] = []
    for given in args.sources:
        storage = is_url(given) and not given.startswith(("rtsp://", "http://", "https://"))
        places += recordings_at(given, VIDEO_SUFFIXES) if storage else [given]
    several = len(places) > 1 or places != args.sources
    jobs = []
    for place in places:
        stem = Path(name_of(place)).stem
        json, coco = args.json, args.coco or ""
        if several:
            json, coco = f"{json.rstrip('/')}/{stem}.jsonl", coco and f"{coco}/{stem}.json"
        jobs.append(Job(place, json, coco))
    local = {f"--json, for '{j.place}'": Path(j.out) for j in jobs if not is_url(j.out)}
    inputs = [Path(place) for place in places if not is_url(place)]
    check_outputs([*inputs, *model_files(read_settings(args))], local)
    words = ["IN", "--json", "OUT", "--frames", str(args.frames)]
    words += ["--coco", "OUT"] if args.coco else []
    words += ["--sequence"] * args.sequence
    words += strict_flags(args)
    return on_cluster("video", args, words, jobs)


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
