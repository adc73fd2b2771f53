"""Metrics of `evaluate`: OKS, PCK, detection and COCO figures of predictions."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.oks import AREA_OF_BOX, oks
from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.engine.skeletons import COCO17, Skeleton, common_joints
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.evaluation.accuracy import (
    Person,
    box_iou,
    coco_keypoint_ap,
    detection_accuracy,
    detection_ap,
)
from pose_estimation_ros.evaluation.coco_annotations import PERSON_CATEGORY

_SAME_IOU = 0.5
PCK_SHARES = (0.05, 0.1, 0.2)  # of the longer side of the person's box


@dataclass(frozen=True)
class Predictions:
    """Predictions for one image.

    Boxes (n, 4) xyxy px, scores (n,), joints (n, 17, 3) x, y px and score.
    """

    boxes: AnyArray
    scores: AnyArray
    joints: AnyArray

    @staticmethod
    def empty() -> Predictions:
        return Predictions(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 17, 3)))


@dataclass(frozen=True)
class Case:
    """A counted person, its predicted joints (17, 3), None if missed, and its OKS."""

    person: Person
    joints: AnyArray | None
    oks: float


def match(predictions: Predictions, people: Sequence[Person]) -> list[int]:
    """Matches predictions to people by box, best score first; an index or -1 per person."""
    found = [-1] * len(people)
    if not people:
        return found
    truth = np.stack([np.append(p.box[:2], p.box[:2] + p.box[2:]) for p in people])
    overlaps = box_iou(predictions.boxes, truth)
    overlaps[:, [person.crowd for person in people]] = 0
    for index in np.argsort(-predictions.scores, kind="stable").tolist():
        best = int(overlaps[index].argmax())
        if overlaps[index, best] >= _SAME_IOU:
            found[best] = index
            overlaps[:, best] = 0
    return found


def cases_of(predictions: Mapping[int, Predictions], people: Sequence[Person]) -> list[Case]:
    """Pairs every counted person with its prediction."""
    by_image: dict[int, list[Person]] = {}
    for person in people:
        by_image.setdefault(person.image_id, []).append(person)
    cases = []
    for image_id, persons in by_image.items():
        given = predictions.get(image_id, Predictions.empty())
        for person, index in zip(persons, match(given, persons), strict=True):
            if person.counted:
                cases.append(case_of(person, given.joints[index] if index >= 0 else None))
    return cases


def case_of(person: Person, joints: AnyArray | None) -> Case:
    """Pairs a person with its prediction (17, 3) and computes the OKS."""
    if joints is None:
        return Case(person, None, 0.0)
    area = AREA_OF_BOX * person.box_area_px
    truth = person.joints
    return Case(person, joints, float(oks(joints[:, :2], truth[:, :2], truth[:, 2], area)))


def pose_figures(cases: Sequence[Case]) -> dict[str, Any]:
    """Computes mean OKS and PCK, also per joint; joints of missed persons count as wrong."""
    truth = np.stack([case.person.joints for case in cases])
    missed = np.full((17, 3), np.inf)
    joints = np.stack([missed if case.joints is None else case.joints for case in cases])
    seen = truth[..., 2] > 0
    size = np.array([case.person.box[2:].max() for case in cases])
    area = AREA_OF_BOX * np.array([case.person.box_area_px for case in cases])
    error = np.linalg.norm(joints[..., :2] - truth[..., :2], axis=-1)
    relative = error / size[:, None]
    similar = np.exp(-(error**2) / (2 * area[:, None] * (2 * np.array(COCO17.sigmas)) ** 2))

    def share(good: AnyArray, axis: int | None = None) -> AnyArray:
        return (good * seen).sum(axis) / np.maximum(seen.sum(axis), 1)

    found = [case.oks for case in cases if case.joints is not None]
    per_joint = {
        name: {
            "annotated": int(seen[:, joint].sum()),
            "oks": float(share(similar, 0)[joint]),
            "pck@0.1": float(share(relative <= 0.1, 0)[joint]),
        }
        for joint, name in enumerate(COCO17.joints)
    }
    return {
        "people": len(cases),
        "found": len(found),
        "mean_oks": float(np.mean([case.oks for case in cases])),
        "mean_oks_of_found": float(np.mean(found)) if found else 0.0,
        **{f"pck@{alpha:g}": float(share(relative <= alpha)) for alpha in PCK_SHARES},
        "joints": per_joint,
    }


def detection_figures(
    found: Mapping[int, tuple[AnyArray, AnyArray]],
    people: Sequence[Person],
    image_ids: Sequence[int],
    threshold: float,
) -> dict[str, Any]:
    """Computes AP of the boxes, and recall and false positives above the threshold."""
    none = np.zeros((0, 4)), np.zeros(0)
    by_image: dict[int, list[Person]] = {image_id: [] for image_id in image_ids}
    for person in people:
        by_image[person.image_id].append(person)
    rows = [(*found.get(image_id, none), persons) for image_id, persons in by_image.items()]
    sure = [(boxes[s >= threshold], s[s >= threshold], persons) for boxes, s, persons in rows]
    accuracy = detection_accuracy(sure)
    return {
        "ap50": detection_ap(rows),
        "threshold": threshold,
        "recall": accuracy.recall,
        "precision": accuracy.precision,
        "false_per_image": accuracy.false_per_image,
        "people": accuracy.counted,
        "images": accuracy.images,
    }


def check_joints(skeleton: Skeleton, unknown: Sequence[int] = ()) -> None:
    """Checks that a model has all of COCO's joints.

    Args:
        skeleton: the model's.
        unknown: joints of COCO that it gives no place, although its skeleton has them.

    Raises:
        ModelError: it lacks some; figures over the others would flatter it.
    """
    known = set(common_joints(skeleton, COCO17)[1]) - set(unknown)
    lacking = [name for index, name in enumerate(COCO17.joints) if index not in known]
    if lacking:
        raise ModelError(
            f"the pose model estimates {'others' if unknown else skeleton.name}, and the data "
            f"holds coco17 joints, of which it has no {', no '.join(lacking[:3])}: evaluate a "
            "model that has them"
        )


def joints_of_coco(poses: Poses) -> AnyArray:
    """COCO's joints (n, 17, 3) x, y in px and score of the persons.

    Raises:
        ModelError: the model that gave them lacks some of COCO's joints.
    """
    check_joints(poses.skeleton)
    joints = poses.in_skeleton(COCO17).keypoints
    nowhere = np.isnan(joints[..., :2]).any(axis=-1)
    check_joints(poses.skeleton, np.flatnonzero(nowhere.any(axis=0)).tolist())
    return joints


def coco_results(
    image_id: int, predictions: Predictions, category: int = PERSON_CATEGORY
) -> list[dict[str, Any]]:
    """Converts an image's predictions to COCO results of a category."""
    rows = []
    for box, score, joints in zip(
        predictions.boxes, predictions.scores, predictions.joints, strict=True
    ):
        x1, y1, x2, y2 = (round(float(edge), 2) for edge in box)
        rows.append(
            {
                "image_id": image_id,
                "category_id": category,
                "keypoints": [round(float(value), 3) for value in joints.reshape(-1)],
                "score": round(float(score), 5),
                "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
            }
        )
    return rows


def coco_figures(
    listing: dict[str, Any], image_ids: Sequence[int], results: list[dict[str, Any]]
) -> dict[str, float] | None:
    """Computes COCO AP and AR over these images; None if pycocotools is not installed."""
    chosen = set(image_ids)
    part = {
        **listing,
        "images": [row for row in listing["images"] if row["id"] in chosen],
        "annotations": [row for row in listing["annotations"] if row["image_id"] in chosen],
    }
    part.setdefault("info", {})
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "annotations.json"
        path.write_text(json.dumps(part))
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints to stdout
                return coco_keypoint_ap(path, results)
        except ImportError:
            return None
