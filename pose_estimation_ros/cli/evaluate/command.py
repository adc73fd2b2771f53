"""`pose_estimation evaluate`: arguments, and printing and saving of the figures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pose_estimation_ros.cli._options import (
    add_engine_arguments,
    check_count,
    engine_config,
    model_files,
    read_settings,
)
from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.cli.evaluate.coco_evaluation import CocoRun
from pose_estimation_ros.cli.evaluate.sequence import evaluate_sequence, sequence_table
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.evaluation.coco_annotations import (
    image_sizes,
    person_category,
    read_annotations,
    read_json,
)
from pose_estimation_ros.evaluation.mpjpe import evaluate_3d, has_3d, table_3d
from pose_estimation_ros.evaluation.report.case_pictures import draw_cases
from pose_estimation_ros.evaluation.report.tables import table
from pose_estimation_ros.io.atomic_file import write_whole
from pose_estimation_ros.io.output_check import check_outputs
from pose_estimation_ros.model_zoo import build_models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", type=Path, metavar="DATA.json", help="COCO keypoints, or 3DMPPE's 3D ones"
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="folder of the images (default: that of DATA.json)",
    )
    parser.add_argument(
        "--boxes",
        choices=("detector", "ground-truth"),
        default="detector",
        help="use detected boxes (default), or annotated ones to measure the pose model alone",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="evaluate these COCO results instead of running models",
    )
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="first N images only")
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FILE.png",
        help="write a picture of the best and worst cases",
    )
    parser.add_argument(
        "--save-results", type=Path, metavar="FILE", help="save the predictions as COCO results"
    )
    parser.add_argument(
        "--sequence",
        action="store_true",
        help="the images are one scene: measure identities (HOTA, IDF1, MOTA) against track_id",
    )
    parser.add_argument(
        "--fps", type=float, default=30.0, metavar="HZ", help="of a --sequence (default: 30)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    check_count("limit", args.limit)
    if args.pictures and args.pictures.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ConfigError(f"--pictures: '{args.pictures}' is not a .png or .jpg file")
    inputs = [args.data, *([args.results] if args.results else [])]
    inputs += model_files(read_settings(args))
    check_outputs(inputs, {"--save-results": args.save_results, "--pictures": args.pictures})
    as_read = read_json(args.data, dict)
    if has_3d(as_read):
        return _run_3d(args, as_read)
    listing, names, people = read_annotations(args.data)
    category = person_category(as_read)
    if args.sequence:
        return _run_sequence(args, listing, names)
    folder = args.images or args.data.parent
    images = [folder / name for name in names.values()]
    check_outputs(images, {"--save-results": args.save_results, "--pictures": args.pictures})
    image_ids = sorted(names)[: args.limit or None]
    people = [person for person in people if person.image_id in set(image_ids)]
    if not image_ids:
        raise InputError(f"'{args.data}' lists no images: expected some with id and file_name")
    if not people and args.boxes == "ground-truth":
        raise InputError(f"'{args.data}' annotates nobody: run without --boxes ground-truth")
    # Data without any person is fine: then every detection is a false positive.
    if people and not any(person.counted for person in people):
        raise InputError(
            f"no person in '{args.data}' counts: expected persons with at least 8 annotated "
            "joints and a box of at least 64x64 px"
        )
    evaluation = CocoRun(args, names, people, image_ids, image_sizes(listing))
    if args.results:
        evaluation.take(read_json(args.results, list), category)
    else:
        evaluation.predict()
    figures = evaluation.figures(listing)
    print(json.dumps(figures, indent=2) if args.json else table(figures))
    for line in evaluation.limits():
        print(f"note: {line}", file=sys.stderr)
    if figures["coco"] is None and people:
        print("no COCO AP: pip install pycocotools", file=sys.stderr)
    # Written last, so that an unwritable file does not lose the figures.
    if args.save_results:
        write_whole(args.save_results, json.dumps(evaluation.results(category)))
    if args.pictures:
        draw_cases(args.pictures, evaluation.cases, evaluation.image)
    return 0


def _run_sequence(args: argparse.Namespace, listing: dict[str, Any], names: dict[int, str]) -> int:
    if not 0 < args.fps <= 1000:
        raise ConfigError(f"--fps: {args.fps:g} is not from above 0 to 1000")
    image_ids = sorted(names)[: args.limit or None]
    images = CocoRun(args, names, [], image_ids, image_sizes(listing))
    figures = evaluate_sequence(args, listing, images, image_ids)
    print(json.dumps(figures, indent=2) if args.json else sequence_table(figures))
    return 0


def _run_3d(args: argparse.Namespace, listing: dict[str, Any]) -> int:
    """Evaluates 3D positions in the annotated boxes; --boxes and --results are ignored."""
    try:
        names = {row["id"]: row["file_name"] for row in listing["images"]}
    except (KeyError, TypeError) as error:
        raise InputError(f"'{args.data}' lists no images with id and file_name") from error
    image_ids = sorted(names)[: args.limit or None]
    images = CocoRun(args, names, [], image_ids, image_sizes(listing))
    models = build_models(engine_config(args), fall_back=False)
    try:
        models.load()
        progress = Progress("images", len(image_ids))
        figures = evaluate_3d(models, listing, image_ids, images.image, progress.show)
        progress.close()
    finally:
        models.close()
    print(json.dumps(figures, indent=2) if args.json else table_3d(figures))
    return 0
