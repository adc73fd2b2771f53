"""Accuracy measures: object keypoint similarity, detection recall and precision, COCO AP.

OKS follows the COCO keypoint evaluation (https://cocodataset.org/#keypoints-eval). Everything
here is numpy; pycocotools is imported only inside ``coco_keypoint_ap``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_estimation_ros.engine.oks import AREA_OF_BOX, oks

Array = NDArray[np.floating[Any]]

MIN_JOINTS, MIN_BOX_AREA_PX = 8, 64 * 64


@dataclass(frozen=True)
class Person:
    """An annotated person of a COCO keypoint file.

    Attributes:
        image_id: the image's number.
        file_name: the image's file.
        box: (4,) x, y, width, height in px.
        joints: (17, 3) x, y in px and COCO's visibility flag, 0 where not annotated.
        crowd: whether the box holds several people.
    """

    image_id: int
    file_name: str
    box: Array
    joints: Array
    crowd: bool = False

    @property
    def box_area_px(self) -> float:
        """Area of the box in square px."""
        return float(self.box[2] * self.box[3])

    @property
    def counted(self) -> bool:
        """Whether the project's accuracy counts this person: large and annotated enough."""
        return (
            not self.crowd
            and int((self.joints[:, 2] > 0).sum()) >= MIN_JOINTS
            and self.box_area_px >= MIN_BOX_AREA_PX
        )


def read_coco(listing: dict[str, Any]) -> list[Person]:
    """Reads the people of a parsed COCO keypoint file.

    Raises:
        ValueError: an annotation names an image that the file does not list.
    """
    names = {entry["id"]: entry["file_name"] for entry in listing["images"]}
    people = []
    for row in listing["annotations"]:
        if row["image_id"] not in names:
            raise ValueError(f"annotation {row['id']} names the unknown image {row['image_id']}")
        people.append(
            Person(
                row["image_id"],
                names[row["image_id"]],
                np.asarray(row["bbox"], float),
                np.asarray(row["keypoints"], float).reshape(-1, 3),
                bool(row.get("iscrowd", 0)),
            )
        )
    return people


def mean_oks(predicted: Sequence[Array], people: Sequence[Person]) -> float:
    """Mean OKS of predictions (17, 2 or more) in px, one a person, with ground-truth boxes.

    The area of a person is ``AREA_OF_BOX`` of its box. Callers pass the people that count.

    Raises:
        ValueError: the numbers differ, or there are no people.
    """
    if len(predicted) != len(people) or not people:
        raise ValueError(f"{len(predicted)} predictions for {len(people)} people")
    joints = np.stack([person.joints for person in people])
    area = np.array([AREA_OF_BOX * person.box_area_px for person in people])
    values = oks(np.stack(predicted)[..., :2], joints[..., :2], joints[..., 2], area)
    return float(values.mean())


def box_iou(a: Array, b: Array) -> Array:
    """IoU (n, m) of boxes a (n, 4) and b (m, 4), x0, y0, x1, y1."""
    a, b = np.asarray(a, float).reshape(-1, 4), np.asarray(b, float).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = (a[:, 2:] - a[:, :2]).prod(-1)[:, None] + (b[:, 2:] - b[:, :2]).prod(-1)[None]
    return shared / np.maximum(areas - shared, 1e-9)


@dataclass(frozen=True)
class DetectionAccuracy:
    """Detection at one IoU and one confidence.

    Attributes:
        recall: share of the counted people that were found.
        precision: share of the detections that match an annotated person.
        false_per_image: detections per image that match no person.
        counted: people that count for the recall.
        images: number of images.
    """

    recall: float
    precision: float
    false_per_image: float
    counted: int
    images: int


def match_image(
    boxes: Array, scores: Array, people: Sequence[Person], iou: float = 0.5
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Match an image's detections to its people, best score first, one to one.

    Args:
        boxes: (n, 4) x0, y0, x1, y1 px; scores: (n,).
        people: everybody annotated in the image, small ones and crowds too.
        iou: smallest overlap of a match.

    Returns:
        Which people were found (len(people),), and which detections are false (n,). A second
        detection of a person is false; any number may lie in a crowd.
    """
    found = np.zeros(len(people), bool)
    false = np.zeros(len(boxes), bool)
    if not len(people):
        return found, ~false
    truth = np.stack([np.append(p.box[:2], p.box[:2] + p.box[2:]) for p in people])
    overlaps = box_iou(boxes, truth)
    crowd = np.array([person.crowd for person in people])
    for i in np.argsort(-np.asarray(scores), kind="stable"):
        free = np.where(found | crowd, 0, overlaps[i])
        best = int(free.argmax())
        if free[best] >= iou:
            found[best] = True
            continue
        box = np.asarray(boxes[i], float)
        low, high = np.maximum(box[:2], truth[:, :2]), np.minimum(box[2:], truth[:, 2:])
        within = np.clip(high - low, 0, None).prod(-1) / max((box[2:] - box[:2]).prod(), 1e-9)
        false[i] = not bool((crowd & (within >= iou)).any())
    return found, false


def detection_accuracy(
    images: Iterable[tuple[Array, Array, Sequence[Person]]], iou: float = 0.5
) -> DetectionAccuracy:
    """Computes recall of the counted people, precision, and false positives per image.

    Args:
        images: for each image its boxes (n, 4) xyxy px, scores (n,) and everybody annotated.
        iou: smallest overlap of a match.
    """
    hits = counted = false_count = detections = looked_at = 0
    for boxes, scores, people in images:
        found, false = match_image(boxes, scores, people, iou)
        counts = np.array([person.counted for person in people], bool)
        hits += int((found & counts).sum())
        counted += int(counts.sum())
        false_count += int(false.sum())
        detections += len(false)
        looked_at += 1
    return DetectionAccuracy(
        recall=hits / max(counted, 1),
        precision=1 - false_count / max(detections, 1),
        false_per_image=false_count / max(looked_at, 1),
        counted=counted,
        images=looked_at,
    )


def detection_ap(
    images: Iterable[tuple[Array, Array, Sequence[Person]]], iou: float = 0.5
) -> float:
    """Computes average precision at 101 recall points, over all annotated people except crowds."""
    scores_all, false_all, total = [], [], 0
    for boxes, scores, people in images:
        _, false = match_image(boxes, scores, people, iou)
        scores_all.append(np.asarray(scores, float))
        false_all.append(false)
        total += sum(not person.crowd for person in people)
    if not scores_all or not total:
        return 0.0
    order = np.argsort(-np.concatenate(scores_all), kind="stable")
    true = np.cumsum(~np.concatenate(false_all)[order])
    precision = true / np.arange(1, len(true) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(true / total, np.linspace(0, 1, 101), side="left")
    padded = np.append(precision, 0.0)
    return float(padded[np.minimum(reached, len(precision))].mean())


def coco_keypoint_ap(annotations: Path, results: list[dict[str, Any]]) -> dict[str, float]:
    """COCO's keypoint AP with pycocotools.

    Args:
        annotations: a COCO keypoint file.
        results: COCO results: ``image_id``, ``category_id``, ``keypoints`` (51), ``score``.

    Returns:
        ``AP``, ``AP50``, ``AP75``, ``AR``; all 0 where ``results`` is empty.

    Raises:
        ImportError: pycocotools is not installed; the message says how to get it.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise ImportError("COCO keypoint AP needs: pip install pycocotools") from error
    names = ("AP", "AP50", "AP75", "AR")
    if not results:
        return dict.fromkeys(names, 0.0)
    truth = COCO(str(annotations))
    evaluation = COCOeval(truth, truth.loadRes(results), "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return dict(zip(names, (float(evaluation.stats[i]) for i in (0, 1, 2, 5)), strict=True))
