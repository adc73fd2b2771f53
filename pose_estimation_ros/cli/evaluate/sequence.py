"""`pose_estimation evaluate --sequence`: identities over the images of one scene."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from pose_estimation_ros.cli._options import build_engine
from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.cli.evaluate.coco_evaluation import CocoRun
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.evaluation.track_metrics import TrackedImage, track_figures


def evaluate_sequence(
    args: argparse.Namespace, listing: dict[str, Any], images: CocoRun, image_ids: list[int]
) -> dict[str, Any]:
    """The figures of a sequence whose persons are annotated with `track_id`.

    The images follow each other in the order of their ids, `--fps` of them a second.

    Raises:
        InputError: a person has no track_id or no box, or an image cannot be read.
    """
    true: dict[int, list[tuple[int, list[float]]]] = {image_id: [] for image_id in image_ids}
    for index, row in enumerate(listing.get("annotations", [])):
        if row.get("iscrowd") or row.get("image_id") not in true:
            continue
        try:
            x, y, width, height = (float(value) for value in row["bbox"])
            true[row["image_id"]].append((int(row["track_id"]), [x, y, x + width, y + height]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"annotation {index} of '{args.data}' has no usable {error}: --sequence expects "
                "bbox (x, y, width, height) and track_id, a number, for every person"
            ) from error
    models, pipeline = build_engine(args)
    tracked = []
    try:
        progress = Progress("images", len(image_ids))
        for done, image_id in enumerate(image_ids):
            poses = pipeline.process(Frame(Image(images.image(image_id)), done / args.fps)).poses
            poses = poses[poses.in_sight]
            ids, boxes = [i for i, _ in true[image_id]], [box for _, box in true[image_id]]
            tracked.append(
                TrackedImage(np.array(ids), np.array(boxes), poses.track_ids, poses.boxes)
            )
            progress.show(done + 1)
        progress.close()
    finally:
        models.close()
    return {"data": str(args.data), "images": len(image_ids), **track_figures(tracked)}


def sequence_table(figures: dict[str, Any]) -> str:
    """The figures, a line each."""
    shares = [f"{name.upper():<16}{figures[name]:.3f}" for name in ("hota", "idf1", "mota")]
    counts = ("switches", "missed", "false_positives", "persons", "identities", "images")
    return "\n".join([*shares, *(f"{n.replace('_', ' '):<16}{figures[n]}" for n in counts)])
