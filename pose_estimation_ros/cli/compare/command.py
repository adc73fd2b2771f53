"""`pose_estimation compare`: compares the pipelines on a recording and recommends one."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.cli._options import (
    add_engine_arguments,
    check_count,
    engine_flags,
    make_folder,
    model_files,
    read_settings,
)
from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.execution.cpu_features import usable_cores
from pose_estimation_ros.errors import ConfigError, InputError, PoseEstimationError
from pose_estimation_ros.evaluation.coco_annotations import read_annotations
from pose_estimation_ros.evaluation.coco_metrics import (
    Predictions,
    cases_of,
    coco_figures,
    coco_results,
    joints_of_coco,
    pose_figures,
)
from pose_estimation_ros.evaluation.pipeline_summary import figures_of
from pose_estimation_ros.evaluation.recommendation import USE_CASES, Advice, Need, advise
from pose_estimation_ros.evaluation.report.comparison_page import rows_of
from pose_estimation_ros.evaluation.report.writer import REPORT_FILES, write_report
from pose_estimation_ros.io.output_check import check_outputs
from pose_estimation_ros.io.pose_records import FrameRecord, from_json
from pose_estimation_ros.io.recordings import BagSequence, VideoSequence, open_sequence
from pose_estimation_ros.settings import PIPELINES, DetectorOptions

_FEWEST = 5
_MOST_PERSONS = 256  # that the detector answers for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", help="a video, a folder of images, or a bag")
    parser.add_argument(
        "--pipelines",
        default="v3,v4,hybrid",
        metavar="NAMES",
        help="comma-separated (default: v3,v4,hybrid)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("comparison"),
        metavar="FOLDER",
        help="folder for report.html and report.json (default: comparison)",
    )
    parser.add_argument("--topic", default="", help="image topic of a bag (default: its first)")
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="first N frames only")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DATA.json",
        help="COCO keypoints, matched by image_id = frame number, or by file_name",
    )
    need = parser.add_argument_group("what is needed, for the recommendation")
    need.add_argument(
        "--max-persons",
        dest="most_persons",
        type=int,
        metavar="N",
        help="most persons at a time (default: as in IN)",
    )
    need.add_argument(
        "--latency-ms", type=float, metavar="MS", help="limit of the latency's 95th percentile"
    )
    need.add_argument("--memory-mb", type=float, metavar="MB", help="limit of the peak memory")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_engine_arguments(parser, without=("max_persons",))


def run(args: argparse.Namespace) -> int:
    names = [name.strip() for name in args.pipelines.split(",") if name.strip()]
    for name in names:
        if name not in PIPELINES:
            known = ", ".join(PIPELINES)
            raise ConfigError(f"--pipelines: '{name}' is unknown: choose from {known}")
    if not names:
        raise ConfigError(f"--pipelines: no pipeline given: choose from {', '.join(PIPELINES)}")
    check_count("max_persons", args.most_persons)
    for option in ("latency_ms", "memory_mb", "frames"):
        check_count(option, getattr(args, option))
    # Fixed, since `auto` might pick a different runtime for each pipeline or run.
    args.runtime = "onnxruntime" if args.runtime == "auto" else args.runtime
    # Here, so that a wrong model or runtime is reported once, not by each pipeline.
    settings = read_settings(args)
    files = [Path(args.source), *([args.labels] if args.labels else []), *model_files(settings)]
    check_outputs(files, {f"--out, {name}": args.out / name for name in REPORT_FILES})
    sequence = open_sequence(args.source, args.topic)
    labels = read_annotations(args.labels) if args.labels else None
    make_folder(args.out)
    measured, records = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            measured[name], records[name] = _measure(name, args, Path(scratch))
    figures = {name: figures_of(measured[name], records[name]) for name in names}
    if labels is not None:
        for name in names:
            figures[name]["accuracy"] = _accuracy(labels, records[name], sequence)
    first = measured[names[0]]
    about = {
        "name": Path(sequence.name).name,
        "width": sequence.width,
        "height": sequence.height,
        "frames": len(first["latency_ms"]),
        "detector": first["detector"],
        "pose_model": first["pose_model"],
        "runtime": args.runtime,
        "machine": platform.machine(),
        "cores": usable_cores(),
    }
    about["line"] = (
        f"{about['frames']} frames of {about['width']}x{about['height']} px; detector "
        f"{about['detector']}, pose model {about['pose_model']}, {about['runtime']}; "
        f"{about['cores']} cores, {about['machine']}. Frames were processed one after another, as "
        "fast as possible."
    )
    if first["damage"]:
        about["line"] += (
            f" The bag is damaged; figures cover what comes before: {first['damage']}."
        )
        text = f"bag '{args.source}': {first['damage']}; compared on what comes before"
        print(f"pose_estimation compare: note: {text}", file=sys.stderr)
    counts = _counts(records)
    persons = args.most_persons
    if persons is None:  # the recording's maximum, without rare peaks
        persons = max(1, round(float(np.percentile(counts, 95))))
    needs = [Need("Your need", persons, args.latency_ms, args.memory_mb), *USE_CASES]
    share = float(np.mean(counts <= 1))
    advice = [advise(need, figures, share) for need in needs]
    write_report(args.out, about, figures, measured, records, sequence, advice)
    if args.json:
        print((args.out / "report.json").read_text(encoding="utf-8"))
    else:
        print(table(figures, advice))
        print(f"see {args.out / 'report.html'}", file=sys.stderr)
    return 0


def _measure(
    name: str, args: argparse.Namespace, scratch: Path
) -> tuple[dict[str, Any], list[FrameRecord]]:
    """Measures one pipeline in its own process.

    Raises:
        PoseEstimationError: it failed.
    """
    file = scratch / f"{name}.jsonl"
    command = [sys.executable, "-m", "pose_estimation_ros.cli.compare.measure", args.source]
    command += ["--records", str(file), "--frames", str(args.frames), "--topic", args.topic]
    most = DetectorOptions().max_persons
    most = min(max(args.most_persons or 0, most), _MOST_PERSONS)
    command += engine_flags(args, pipeline=name, max_persons=most)
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None and run.stdout is not None
    complaint = ""
    try:
        for line in run.stderr:
            if f"{name} frames: " in line:
                print(line, end="", file=sys.stderr)
            elif line.strip():
                complaint = line.strip()
        output = run.stdout.read()
        run.wait()
    finally:  # do not leave it running after Ctrl-C
        run.kill()
    if run.returncode != 0:
        raise PoseEstimationError(f"{name} failed: {complaint.removeprefix('error: ')}")
    measured: dict[str, Any] = json.loads(output)
    records: list[FrameRecord] = [
        json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()
    ]
    if len(records) < _FEWEST:
        raise InputError(
            f"'{args.source}' has {len(records)} usable frames: at least {_FEWEST} are needed"
        )
    return measured, records


def _counts(records: dict[str, list[FrameRecord]]) -> AnyArray:
    """Persons by frame, of the pipeline that finds the most."""
    counts = [np.array([len(row["poses"]) for row in rows]) for rows in records.values()]
    return max(counts, key=lambda of_one: int(of_one.sum()))


def _accuracy(
    labels: tuple[dict[str, Any], dict[int, str], list[Any]],
    records: Sequence[FrameRecord],
    sequence: VideoSequence | BagSequence,
) -> dict[str, Any]:
    """Accuracy over the labelled frames: COCO's AP and mean OKS."""
    listing, names, people = labels
    number = {name: index for index, name in enumerate(sequence.file_names)}
    frame_of = {
        image_id: number.get(Path(name).name, -1) if number else image_id
        for image_id, name in names.items()
    }
    image_ids = [image_id for image_id, frame in frame_of.items() if 0 <= frame < len(records)]
    predictions: dict[int, Predictions] = {}
    results: list[dict[str, Any]] = []
    for image_id in image_ids:
        poses = from_json(records[frame_of[image_id]]).poses
        predictions[image_id] = Predictions(poses.boxes, poses.scores, joints_of_coco(poses))
        results += coco_results(image_id, predictions[image_id])
    chosen = set(image_ids)
    cases = cases_of(predictions, [person for person in people if person.image_id in chosen])
    if not cases:
        raise InputError(
            "--labels: no labelled person is in these frames: expected image_id to be the number "
            "of a frame, from 0, or file_name that of an image"
        )
    return {
        "images": len(image_ids),
        "coco": coco_figures(listing, image_ids, results),
        "pose": pose_figures(cases),
    }


def table(figures: dict[str, dict[str, Any]], advice: Sequence[Advice]) -> str:
    """Formats the figures, the decision matrix and the recommendation as text."""
    lines = [f"{'':<38}" + "".join(f"{name:>10}" for name in figures)]
    for title, values in rows_of(figures):
        lines.append(f"{title:<38}" + "".join(f"{value:>10}" for value in values))
    lines += ["", f"{'use case':<24}{'needs':<40}{'take':<10}"]
    for one in advice[1:]:
        met = "" if one.met else "(does not meet it)"
        lines.append(f"{one.need.use_case:<24}{one.need!s:<40}{one.pipeline:<8}{met}")
    first = advice[0]
    need = f" for {first.need}" if str(first.need) else ""
    verdict = "take" if first.met else "nothing here meets it; nearest is"
    lines += ["", f"recommendation{need}: {verdict} {first.pipeline} ({first.why})"]
    return "\n".join(lines)
