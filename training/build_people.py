"""Cut labelled people out of whole pictures, once, for the pose training.

Every pack becomes ``CACHE/PACK_crops.npy`` (n, 256, 256, 3) uint8 RGB, the person's box made
square and 1.5 times as large, and ``CACHE/PACK_labels.npz``:

===========  ====================================================================================
name         (n,) file of the picture
truth        (n, 17, 3) x, y in px of the crop and COCO's visibility, 0 where not annotated
teacher      (n, 17, 3) PP-TinyPose's x, y in px of the crop and the peak of its heatmap
spread       (n, 17) px of the crop between the teacher's answers; 0 where it answered once
===========  ====================================================================================

The teacher answers once, for the picture and its mirror image, for two sizes of the box. Where the
answers differ the joint is no target, see ``training.pose.people``.

    python -m training.build_people coco_train
    python -m training.build_people coco_more --pictures ../train/coco
    python -m training.build_people everyday --pictures ../train/gathered
    python -m training.build_people more --pictures ../train/gathered
    python -m training.build_people nobody  # after training.build_cache
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pose_estimation_ros.engine.runtimes import Runtime, load_runtime
from training.common.data import (
    BOX_IN_CROP,
    CROP_SIDE,
    decode,
    default_cache,
    default_shared,
    read_tar,
)
from training.common.image_pool import Pool
from training.common.metrics import detect
from training.common.yolo_labels import JOINTS, labelled_images
from training.distillation.labelling import PicoDet, YoloxNano, merge
from training.distillation.tinypose import OfflineTeacher

SMALLEST = 56  # px of the longer side of a person's box
MIN_LABELLED = 5  # joints of an annotated person
MIN_SCORE = 0.5  # of a detected person
ENLARGE_STORED = CROP_SIDE / BOX_IN_CROP
TEACHER_ENLARGE = 1.15, 1.35  # of the box, for the teacher


@dataclass
class Person:
    """A person in a picture: box x, y, w, h; truth and teacher (17, 3) in px, or None."""

    box: np.ndarray
    truth: np.ndarray | None = None
    teacher: np.ndarray | None = None


Picture = tuple[str, np.ndarray, list[Person]]
PACKS = ("coco_train", "coco_more", "everyday", "more", "pose_extra", "empty", "nobody")
# Of the detector's boxes where nobody is: least score, how many a scene, least px.
FAINTEST, MOST_OF_NOBODY, SMALLEST_OF_NOBODY = 0.06, 3, 36
MORE_FROM = ("everyday", "everyday_more")  # of gather.py
IN_THE_CROPS = "lspet_"  # names of pictures whose people are person crops already


def coco_people(listing: dict, images: Path) -> Iterator[Picture]:
    """Annotated people of a COCO keypoint file, by picture."""
    by_image: dict[int, list[Person]] = {}
    for row in listing["annotations"]:
        if row["num_keypoints"] >= MIN_LABELLED and not row["iscrowd"]:
            joints = np.asarray(row["keypoints"], np.float32).reshape(17, 3)
            # COCO's joints are numbers of pixels, the boxes and ours their edges and middles.
            person = Person(np.asarray(row["bbox"], np.float32), joints)
            by_image.setdefault(row["image_id"], []).append(person)
    for entry in listing["images"]:
        path = images / entry["file_name"]
        if entry["id"] in by_image and path.exists():
            yield entry["file_name"], decode(path.read_bytes()), by_image[entry["id"]]


def labelled_people(folder: Path) -> Iterator[Picture]:
    """People with joints of images with labels as YOLO writes them, see ``labelled_images``."""
    for path, rows in labelled_images(folder):
        image = decode(path.read_bytes())
        size = np.array(image.shape[1::-1], np.float32)
        people = []
        for row in rows:
            if len(row) != 4 + 3 * JOINTS:
                continue
            values = np.array(row, np.float32)
            centre, extent = values[:2] * size, values[2:4] * size
            joints = values[4:].reshape(JOINTS, 3) * (*size, 1)
            if (joints[:, 2] > 0).sum() >= MIN_LABELLED:
                box = np.concatenate((centre - extent / 2, extent))
                people.append(Person(box, joints.astype(np.float32)))
        yield path.name, image, people


def everyday_people(labels: Path, images: Path) -> Iterator[Picture]:
    """People of ``everyday_teacher.npz`` in the gathered pictures that are there."""
    found = np.load(labels)
    names, boxes, teacher = (found[key] for key in ("name", "box", "teacher"))
    order = np.argsort(names, kind="stable")
    starts = np.flatnonzero(np.r_[True, names[order][1:] != names[order][:-1]])
    for rows in np.split(order, starts[1:]):
        path = images / str(names[rows[0]])
        if path.exists():
            people = [
                Person(boxes[row, :4].astype(np.float32), None, teacher[row].astype(np.float32))
                for row in rows
                if boxes[row, 4] >= MIN_SCORE
            ]
            yield path.name, decode(path.read_bytes()), people


def detected_people(gathered: Path, known: set[str], models: Path) -> Iterator[Picture]:
    """People that the detection teachers find in gathered pictures not among the ``known``."""
    yolox, picodet = YoloxNano(models), PicoDet(models)
    for path in (path for name in MORE_FROM for path in sorted(_images(gathered / name))):
        if path.name in known or path.name.startswith(IN_THE_CROPS):
            continue
        image = decode(path.read_bytes())
        boxes, confidence = merge(yolox(image, MIN_SCORE / 2), picodet(image, MIN_SCORE / 2))
        boxes = boxes[confidence >= MIN_SCORE]
        boxes[:, 2:] -= boxes[:, :2]
        yield path.name, image, [Person(box) for box in boxes]


def _images(folder: Path) -> list[Path]:
    return list((folder / "images").iterdir())


def stored_crop(image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The square (256, 256, 3) around a box x, y, w, h, and its affine (2, 3)."""
    scale = BOX_IN_CROP / max(box[2], box[3])
    centre = box[:2] + box[2:] / 2 - 0.5
    shift = (CROP_SIDE - 1) / 2 - centre * scale
    matrix = np.array(((scale, 0, shift[0]), (0, scale, shift[1])))
    if scale < 0.6:  # a linear sample of fewer px than there are would flicker
        image = cv2.GaussianBlur(image, (0, 0), 0.35 / scale)
    crop = cv2.warpAffine(image, matrix, (CROP_SIDE, CROP_SIDE), flags=cv2.INTER_LINEAR)
    return crop, matrix


def moved(joints: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Joints (17, 3) in px of the crop."""
    result = joints.astype(np.float32)
    result[:, :2] = joints[:, :2] * matrix[0, 0] + matrix[:, 2]
    return result


def build(pictures: Iterable[Picture], name: str, cache: Path, teacher: OfflineTeacher) -> int:
    """Write the pack ``name``; the number of people in it."""
    crops, names, rows = [], [], []
    for file, image, people in pictures:
        for person in people:
            if person.box[2:].max() < SMALLEST:
                continue
            crop, matrix = stored_crop(image, person.box)
            spread = np.zeros(17, np.float32)
            if person.teacher is None:
                given, spread = teacher(image, person.box, TEACHER_ENLARGE)
                spread = spread * matrix[0, 0]
            else:
                given = person.teacher
            truth = np.zeros((17, 3)) if person.truth is None else moved(person.truth, matrix)
            crops.append(crop)
            names.append(file)
            rows.append((truth, moved(given, matrix), spread))
            if len(crops) % 1000 == 0:
                print(f"{name}: {len(crops)}", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(cache / f"{name}_crops.npy", np.stack(crops))
    truth, given, spread = (
        np.stack(column).astype(np.float32) for column in zip(*rows, strict=True)
    )
    labels = {"name": np.array(names), "truth": truth, "teacher": given, "spread": spread}
    np.savez(cache / f"{name}_labels.npz", allow_pickle=False, **labels)
    return len(crops)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="cut people out of whole pictures")
    parser.add_argument("pack", choices=PACKS)
    parser.add_argument("--shared", type=Path, default=default_shared())
    parser.add_argument("--cache", type=Path, default=default_cache() / "people")
    parser.add_argument(
        "--pictures",
        type=Path,
        help="folder that gather.py wrote; of coco_more, with images/ and labels/",
    )
    parser.add_argument(
        "--detector", type=Path, default=Path("models/person_detector.onnx"), help="of nobody"
    )
    options = parser.parse_args()
    data = options.shared / "data"
    if options.pack == "empty":
        count = build_empty(data, options.cache)
    elif options.pack == "nobody":
        detector = load_runtime(options.detector, "onnxruntime", 1)
        count = build_nobody(Pool(options.cache.parent), detector, options.cache)
    else:
        if options.pack == "coco_train":
            listing = json.loads((data / "coco_train" / "person_keypoints.json").read_text())
            pictures = coco_people(listing, data / "coco_train" / "images")
        elif options.pictures is None:
            parser.error(f"{options.pack} needs --pictures")
        elif options.pack == "coco_more":
            pictures = labelled_people(options.pictures)
        elif options.pack == "everyday":
            labels = data / "gather" / "everyday_teacher.npz"
            pictures = everyday_people(labels, options.pictures / "everyday" / "images")
        elif options.pack == "more":
            known = set(np.load(data / "gather" / "everyday_teacher.npz")["name"].tolist())
            pictures = detected_people(options.pictures, known, options.shared / "models")
        else:
            listing = json.loads((data / "gather" / "pose_extra.json").read_text())
            pictures = coco_people(listing, options.pictures / "pose_extra" / "images")
        teacher = OfflineTeacher(options.shared / "models")
        count = build(pictures, options.pack, options.cache, teacher)
    print(f"{options.pack}: {count} crops in {options.cache}")


def build_empty(data: Path, cache: Path) -> int:
    """Write the pack of crops of nobody: whole pictures of things and of empty scenes."""
    crops = []
    for name in ("empty_things", "empty_scenes"):
        for _, encoded in read_tar(data / f"{name}.tar"):
            image = decode(encoded)
            height, width = image.shape[:2]
            box = np.array((0, 0, width, height), np.float32)
            crops.append(stored_crop(image, box)[0])
    cache.mkdir(parents=True, exist_ok=True)
    np.save(cache / "empty_crops.npy", np.stack(crops))
    return len(crops)


def build_nobody(pool: Pool, detector: Runtime, cache: Path) -> int:
    """Write the pack of what the detector takes for people where nobody is.

    Of scenes in which it sees nothing, one in four gives a random box.
    """

    def predict(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes, scores = detector.run(picture[None])[:2]
        return boxes[0], scores[0]

    rng = np.random.default_rng(0)
    crops = []
    for index in range(*pool.groups["empty"]):
        image = np.ascontiguousarray(pool.scene(index).image)
        boxes = detect(predict, image, FAINTEST)[0][:MOST_OF_NOBODY]
        boxes = boxes[(boxes[:, 2:] - boxes[:, :2]).max(1, initial=0) >= SMALLEST_OF_NOBODY]
        if not len(boxes) and rng.random() < 0.25:
            size = np.array(image.shape[1::-1])
            part = rng.uniform(0.3, 0.9, 2) * size
            corner = rng.random(2) * (size - part)
            boxes = np.concatenate((corner, corner + part))[None]
        crops += [
            stored_crop(image, np.concatenate((box[:2], box[2:] - box[:2])))[0] for box in boxes
        ]
    cache.mkdir(parents=True, exist_ok=True)
    np.save(cache / "nobody_crops.npy", np.stack(crops))
    return len(crops)


if __name__ == "__main__":
    main()
