"""Build the cache that training reads: decoded images with labelled people.

The cache holds decoded uint8 images and person boxes, so that training decodes nothing:

==================  =============================================================================
crops.npy           (n, 256, 256, 3) RGB person crops, in the order of person_crops_labels.npz
scenes.npy          (m, 448, 448, 3) RGB whole images at the top left, longer side 448
boxes.npz           people in both: ``crops``/``scenes`` + ``_boxes`` (k, 4) xyxy px,
                    ``_confidence`` (k,), ``_offsets`` (n + 1,), and ``scenes_sizes`` (m, 2) w, h
==================  =============================================================================

Scenes are the street scenes, then COCO's images of ``person_keypoints_train.json``. The images of
``person_keypoints_dev.json`` are never read here. Build with ``python -m training.build_cache``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from training.common.boxes import box_iou
from training.common.data import (
    CROP_SIDE,
    SCENE_SIDE,
    decode,
    default_cache,
    default_shared,
    read_tar,
)
from training.common.image_pool import Labels, pack
from training.distillation.labelling import PicoDet, YoloxNano, merge

CROP_TARS = ("person_crops_a", "person_crops_b")
TEACHER_FLOOR = 0.12


def fit(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Scale so that the longer side is ``side``; the image and the factor."""
    scale = side / max(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=method), scale


_teachers: list = []


def _start(folder: Path) -> None:
    cv2.setNumThreads(1)
    _teachers[:] = [YoloxNano(folder), PicoDet(folder)]


def _label(image: np.ndarray) -> Labels:
    yolox, picodet = _teachers
    return merge(yolox(image, TEACHER_FLOOR), picodet(image, TEACHER_FLOOR))


def _label_encoded(data: bytes) -> tuple[np.ndarray, Labels]:
    image = decode(data)
    return image, _label(image)


def central_person(labels: Labels, joints: np.ndarray) -> Labels:
    """Make sure that the person a crop is about is labelled.

    A crop's person is known to be there, in the middle, even where the teachers miss it (an
    unusual pose): then the extent of the joints, widened by a tenth, is the box.

    Args:
        labels: the teachers' boxes and confidences.
        joints: (17, 3), x, y in crop px and weight.
    """
    boxes, confidence = labels
    sure = joints[joints[:, 2] > 0.3, :2]
    if len(sure) < 6:
        return labels
    low, high = sure.min(0), sure.max(0)
    margin = 0.1 * (high - low).max()
    own = np.clip(np.concatenate((low - margin, high + margin)), 0, CROP_SIDE)[None]
    own = own.astype(np.float32)
    overlap = box_iou(boxes, own)[:, 0] if len(boxes) else np.zeros(0)
    if len(boxes) and overlap.max() > 0.45:
        confidence = confidence.copy()
        best = int((overlap * (0.2 + confidence)).argmax())
        confidence[best] = max(confidence[best], 0.8)
        return boxes, confidence
    return np.concatenate((boxes, own)), np.append(confidence, 0.7).astype(np.float32)


def coco_scenes(shared: Path) -> Iterator[tuple[np.ndarray, Labels]]:
    """COCO's training images with annotated boxes; other boxes of the teachers stay unsure."""
    root = shared / "data" / "coco_dev"
    listing = json.loads((root / "person_keypoints_train.json").read_text())
    for entry in listing["images"]:
        image = decode((root / "images" / entry["file_name"]).read_bytes())
        image, scale = fit(image, SCENE_SIDE)
        rows = [a["bbox"] for a in listing["annotations"] if a["image_id"] == entry["id"]]
        truth = np.asarray(rows, np.float32).reshape(-1, 4) * scale
        truth[:, 2:] += truth[:, :2]
        boxes, confidence = _label(image)
        new = box_iou(boxes, truth).max(1, initial=0) < 0.5
        yield (
            image,
            (
                np.concatenate((truth, boxes[new])),
                np.concatenate((np.ones(len(truth)), np.minimum(confidence[new], 0.5))),
            ),
        )


def build(shared: Path, cache: Path, workers: int = 2) -> None:
    """Decode and label everything into ``cache``."""
    cache.mkdir(parents=True, exist_ok=True)
    labels_file = np.load(shared / "data" / "person_crops_labels.npz")
    names = [str(name) for name in labels_file["name"]]
    truth, teacher = labels_file["ground_truth"], labels_file["teacher"]
    joints = np.where((truth[..., 2:] > 0), truth, teacher)
    crops = np.lib.format.open_memmap(
        cache / "crops.npy", "w+", np.uint8, (len(names), CROP_SIDE, CROP_SIDE, 3)
    )
    packed: dict[str, np.ndarray] = {}
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(shared / "models",)) as pool:
        found: list[Labels] = []
        order = {name: i for i, name in enumerate(names)}
        encoded = {
            f"{stem}/{name}": data
            for stem in CROP_TARS
            for name, data in read_tar(shared / "data" / f"{stem}.tar")
        }
        ordered = [encoded[name] for name in order]
        for i, (image, labels) in enumerate(pool.map(_label_encoded, ordered, chunksize=32)):
            crops[i] = image
            found.append(central_person(labels, joints[i]))
            if i % 1000 == 0:
                print(f"crops {i}/{len(names)}", flush=True)
        packed |= {f"crops_{key}": value for key, value in pack(found).items()}

        streets = [data for _, data in read_tar(shared / "data" / "street_scenes.tar")]
        scenes, found = [], []
        for image, labels in pool.map(_label_encoded, streets, chunksize=32):
            image, scale = fit(image, SCENE_SIDE)
            scenes.append(image)
            found.append((labels[0] * scale, labels[1]))
    _start(shared / "models")
    for image, labels in coco_scenes(shared):
        scenes.append(image)
        found.append(labels)
    canvas = np.lib.format.open_memmap(
        cache / "scenes.npy", "w+", np.uint8, (len(scenes), SCENE_SIDE, SCENE_SIDE, 3)
    )
    for i, image in enumerate(scenes):
        canvas[i, : image.shape[0], : image.shape[1]] = image
    sizes = np.array([(image.shape[1], image.shape[0]) for image in scenes])
    packed |= {f"scenes_{key}": value for key, value in pack(found).items()}
    packed["scenes_sizes"] = sizes
    np.savez(cache / "boxes.npz", allow_pickle=False, **packed)
    print(f"{len(names)} crops, {len(scenes)} scenes in {cache}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="build the training cache")
    parser.add_argument("--shared", type=Path, default=default_shared())
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    build(options.shared, options.cache, options.workers)


if __name__ == "__main__":
    main()
