"""Build the cache that training reads: decoded images with labelled people.

The cache holds decoded uint8 images and person boxes, so that training decodes nothing:

==================  =============================================================================
crops.npy           (n, 256, 256, 3) RGB person crops, in the order of person_crops_labels.npz
scenes.npy          (m, 416, 416, 3) RGB whole images at the top left, longer side 416
boxes.npz           people in both: ``crops``/``scenes`` + ``_boxes`` (k, 4) xyxy px,
                    ``_confidence`` (k,), ``_offsets`` (n + 1,), and ``scenes_sizes`` (m, 2) w, h
                    and ``scenes_groups`` (4,), how many of each of ``scene_packs.GROUPS``
==================  =============================================================================

What the scenes are is in ``common/scene_packs.py``; no image of COCO val2017 is ever read here.
Build with ``python -m training.build_cache``.
"""

from __future__ import annotations

import argparse
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
from training.common.scene_packs import GROUPS, ScenePicture, scene_pictures
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


def label_scene(picture: ScenePicture) -> tuple[np.ndarray, Labels]:
    """A picture at the size of the cache, and its people.

    Annotated boxes hold, and other boxes of the teachers stay unsure; where nobody is, the
    teachers are not asked.
    """
    image, _ = fit(decode(picture.data), SCENE_SIDE)
    if picture.group == "empty":
        return image, (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    boxes, confidence = _label(image)
    if picture.people is None:
        return image, (boxes, confidence)
    truth = picture.people * np.tile(image.shape[1::-1], 2).astype(np.float32)
    new = box_iou(boxes, truth).max(1, initial=0) < 0.5
    return image, (
        np.concatenate((truth, boxes[new])),
        np.concatenate((np.ones(len(truth)), np.minimum(confidence[new], 0.5))),
    )


def write_scenes(
    pictures: list[ScenePicture], cache: Path, pool: ProcessPoolExecutor
) -> dict[str, np.ndarray]:
    """Write scenes.npy; returns what boxes.npz holds of the scenes."""
    canvas = np.lib.format.open_memmap(
        cache / "scenes.npy", "w+", np.uint8, (len(pictures), SCENE_SIDE, SCENE_SIDE, 3)
    )
    found, sizes = [], []
    for i, (image, labels) in enumerate(pool.map(label_scene, pictures, chunksize=16)):
        canvas[i, : image.shape[0], : image.shape[1]] = image
        sizes.append((image.shape[1], image.shape[0]))
        found.append(labels)
        if i % 1000 == 0:
            print(f"scenes {i}/{len(pictures)}", flush=True)
    counts = [sum(picture.group == group for picture in pictures) for group in GROUPS]
    return {"sizes": np.array(sizes), "groups": np.array(counts), **pack(found)}


def build(
    shared: Path,
    cache: Path,
    workers: int = 2,
    gathered: Path | None = None,
    coco: Path | None = None,
) -> None:
    """Decode and label everything into ``cache``; the folders are those of ``scene_pictures``."""
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

        scenes = write_scenes(list(scene_pictures(shared, gathered, coco)), cache, pool)
    packed |= {f"scenes_{key}": value for key, value in scenes.items()}
    np.savez(cache / "boxes.npz", allow_pickle=False, **packed)
    print(f"{len(names)} crops, {len(scenes['sizes'])} scenes in {cache}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="build the training cache")
    parser.add_argument("--shared", type=Path, default=default_shared())
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--gathered", type=Path, help="what data/gather/gather.py of the shared folder wrote"
    )
    parser.add_argument(
        "--coco",
        type=Path,
        help="further images/ of COCO train2017, with labels/ as YOLO has them",
    )
    options = parser.parse_args()
    build(options.shared, options.cache, options.workers, options.gathered, options.coco)


if __name__ == "__main__":
    main()
