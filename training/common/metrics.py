"""Accuracy of networks on the development images and the held-out crops."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np

from pose_estimation_ros.evaluation.accuracy import (
    Person,
    detection_accuracy,
    detection_ap,
    mean_oks,
    read_coco,
)
from training.common.boxes import nms
from training.common.data import (
    BOX_IN_CROP,
    CROP_SIDE,
    DETECTOR_SIDE,
    ENLARGE,
    decode,
    held_out,
)

Predict = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
DevSet = list[tuple[np.ndarray, list[Person]]]  # images (RGB) with everybody annotated in them
NMS_IOU = 0.5
THREADS = 2
# Joints whose left and right differ in depth, COCO order: shoulder, wrist, hip, knee, ankle.
PAIRS = ((5, 6), (9, 10), (11, 12), (13, 14), (15, 16))
CLEAR_DEPTH_M = 0.1
Z_COLUMN = 3  # of the crops' ``world`` labels


def dev_set(shared: Path) -> DevSet:
    """The development images."""
    return annotated_images(shared / "data" / "coco_dev", "person_keypoints_dev.json")


def measuring_set(shared: Path) -> DevSet:
    """The images of ``coco_val``, which is only for measuring."""
    return annotated_images(shared / "data" / "coco_val")


def pictures_of_nobody(shared: Path) -> list[np.ndarray]:
    """The images of ``coco_nobody``, RGB."""
    folder = shared / "data" / "coco_nobody" / "images"
    return [decode(path.read_bytes()) for path in sorted(folder.iterdir())]


def annotated_images(root: Path, listing: str = "person_keypoints.json") -> DevSet:
    """The images of a COCO keypoint folder in which somebody is annotated."""
    people = read_coco(json.loads((root / listing).read_text()))
    names = sorted({person.file_name for person in people})
    return [
        (
            decode((root / "images" / name).read_bytes()),
            [person for person in people if person.file_name == name],
        )
        for name in names
    ]


def letterbox(image: np.ndarray, side: int) -> tuple[np.ndarray, float, np.ndarray]:
    """Centre the image on a square of ``side`` px of grey 114; picture, scale, offset (2,)."""
    scale = side / max(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    canvas = np.full((side, side, 3), 114, np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(
        image, size, interpolation=method
    )
    return canvas, scale, np.array((left, top), np.float32)


def detect(
    predict: Predict, image: np.ndarray, threshold: float, side: int = DETECTOR_SIDE
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (k, 4) xyxy in the image's px and scores (k,) after NMS, best first."""
    picture, scale, offset = letterbox(image, side)
    boxes, scores = predict(picture)
    keep = scores >= threshold
    boxes, scores = boxes[keep], scores[keep]
    kept = nms(boxes, scores, NMS_IOU)
    boxes = (boxes[kept] - np.tile(offset, 2)) / scale
    height, width = image.shape[:2]
    return np.clip(boxes, 0, (width, height, width, height)).reshape(-1, 4), scores[kept]


def detector_figures(predict: Predict, dev: DevSet, side: int = DETECTOR_SIDE) -> dict[str, float]:
    """Recall, precision and false positives over thresholds, with the best for the recall.

    The advised threshold, ``threshold``, is the lowest with at most one false positive an
    image.
    """
    found = [(*detect(predict, image, 0.02, side), people) for image, people in dev]
    figures: dict[str, float] = {"ap50": detection_ap(found)}
    for threshold in np.arange(0.1, 0.75, 0.025):
        rows = [(b[s >= threshold], s[s >= threshold], p) for b, s, p in found]
        accuracy = detection_accuracy(rows)
        if accuracy.false_per_image <= 1 or threshold > 0.7:
            return figures | {
                "threshold": float(threshold),
                "recall": accuracy.recall,
                "precision": accuracy.precision,
                "false_per_image": accuracy.false_per_image,
                "counted": accuracy.counted,
            }
    return figures


def person_crop(
    image: np.ndarray, box: np.ndarray, side: int, enlarge: float = ENLARGE
) -> tuple[np.ndarray, np.ndarray]:
    """The crop of a box (x, y, w, h): a square on its longer side, enlarged; its affine (2, 3)."""
    extent = max(box[2], box[3]) * enlarge
    scale = side / extent
    centre = box[:2] + box[2:] / 2
    shift = (side - 1) / 2 - (centre - 0.5) * scale
    matrix = np.array(((scale, 0, shift[0]), (0, scale, shift[1])))
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR), matrix


def pose_figures(
    predict: Callable[[np.ndarray], np.ndarray],
    dev: DevSet,
    side: int,
    enlarge: float = ENLARGE,
) -> dict[str, float]:
    """Mean OKS on the counted people with their annotated boxes.

    ``predict`` maps crops uint8 (n, side, side, 3) to joints (n, 17, 3).
    """
    people, crops, matrices = [], [], []
    for image, everybody in dev:
        for person in everybody:
            if person.counted:
                crop, matrix = person_crop(image, person.box, side, enlarge)
                people.append(person)
                crops.append(crop)
                matrices.append(matrix)
    joints = np.concatenate(
        [predict(np.stack(crops[i : i + 16])) for i in range(0, len(crops), 16)]
    )
    placed = [
        (xy[:, :2] - matrix[:, 2]) / matrix[0, 0]
        for xy, matrix in zip(joints, matrices, strict=True)
    ]
    return {"mean_oks": mean_oks(placed, people), "counted": len(people)}


def depth_sign(
    predict: Callable[[np.ndarray], np.ndarray],
    world: np.ndarray,
    crops: np.ndarray | Mapping[int, np.ndarray],
    side: int,
    enlarge: float = ENLARGE,
) -> dict[str, float]:
    """Share of left and right pairs whose order in depth is right, on held-out crops.

    Pairs count where ``world``, the crops' labels, sees both joints and they differ by more
    than 0.1 m. Of ``crops`` only those held out are looked up, by number.
    """
    indices = np.flatnonzero(held_out(len(world)))
    right = pairs = 0
    left_side, right_side = (np.array(side_joints) for side_joints in zip(*PAIRS, strict=True))
    for start in range(0, len(indices), 16):
        chunk = indices[start : start + 16]
        batch = np.stack([crop_of_stored(crops[i], side, enlarge) for i in chunk])
        z = predict(batch)[..., 2]
        truth = world[chunk][:, :, Z_COLUMN]
        seen = world[chunk][:, :, 2]
        wanted = truth[:, left_side] - truth[:, right_side]
        given = z[:, left_side] - z[:, right_side]
        clear = np.abs(np.nan_to_num(wanted)) > CLEAR_DEPTH_M
        clear &= (np.minimum(seen[:, left_side], seen[:, right_side]) > 0.5) & ~np.isnan(wanted)
        right += int(((np.sign(wanted) == np.sign(given)) & clear).sum())
        pairs += int(clear.sum())
    return {"depth_sign": right / max(pairs, 1), "pairs": pairs}


def crop_of_stored(crop: np.ndarray, side: int, enlarge: float = ENLARGE) -> np.ndarray:
    """The network's crop (side, side, 3) out of a stored one, which shows more around the box."""
    scale = side / (BOX_IN_CROP * enlarge)
    shift = (side - 1) / 2 - (CROP_SIDE - 1) / 2 * scale
    matrix = np.array(((scale, 0, shift), (0, scale, shift)))
    return cv2.warpAffine(crop, matrix, (side, side), flags=cv2.INTER_LINEAR)
