"""The packs of whole pictures: where they lie, and what is known of who is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.common.data import read_tar
from training.common.yolo_labels import labelled_images

# In the order of the cache; COCO's come last.
GROUPS = ("street", "empty", "everyday", "coco")
EMPTY_TARS = ("empty_things", "empty_scenes")
GATHERED_EMPTY = ("empty", "empty_more")
GATHERED_EVERYDAY = ("everyday", "everyday_more")
MOST_MORE = 4000  # of everyday_more, of which most are one person jumping, or small pictures


@dataclass(frozen=True)
class ScenePicture:
    """One encoded picture.

    Attributes:
        name: of its file.
        group: one of ``GROUPS``; in an "empty" one nobody is.
        data: the bytes of the file.
        people: annotated boxes (n, 4) xyxy as shares of width and height; None: unknown.
    """

    name: str
    group: str
    data: bytes
    people: np.ndarray | None = None


def scene_pictures(
    shared: Path, gathered: Path | None = None, coco: Path | None = None
) -> Iterator[ScenePicture]:
    """Every picture to train on, by group. No image of COCO val2017 is among them.

    Args:
        shared: the shared folder.
        gathered: what its ``data/gather/gather.py`` wrote, if it was run.
        coco: further images of COCO train2017, see ``labelled_folder``.
    """
    data = shared / "data"
    for name, encoded in read_tar(data / "street_scenes.tar"):
        yield ScenePicture(name, "street", encoded)
    for tar in EMPTY_TARS:
        for name, encoded in read_tar(data / f"{tar}.tar"):
            yield ScenePicture(name, "empty", encoded)
    for path in _files(gathered, GATHERED_EMPTY):
        if not path.name.startswith("clothing_"):  # these are in empty_things
            yield ScenePicture(path.name, "empty", path.read_bytes())
    if gathered is None:
        for name, encoded in read_tar(data / "everyday_scenes.tar"):
            yield ScenePicture(name, "everyday", encoded)
    for path in _files(gathered, GATHERED_EVERYDAY):
        yield ScenePicture(path.name, "everyday", path.read_bytes())
    yield from _coco(data / "coco_train" / "person_keypoints.json", data / "coco_train" / "images")
    yield from _coco(
        data / "coco_dev" / "person_keypoints_train.json", data / "coco_dev" / "images"
    )
    if coco is not None:
        yield from labelled_folder(coco)


def labelled_folder(folder: Path) -> Iterator[ScenePicture]:
    """The boxes of images with labels as YOLO writes them, see ``labelled_images``."""
    for path, rows in labelled_images(folder):
        boxes = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
        people = np.concatenate(
            (boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), axis=1
        )
        yield ScenePicture(path.name, "coco", path.read_bytes(), people)


def _files(gathered: Path | None, sets: tuple[str, ...]) -> Iterator[Path]:
    for name in sets if gathered is not None else ():
        folder = Path(gathered or "") / name / "images"
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        if name == "everyday_more" and len(files) > MOST_MORE:
            files = [files[i] for i in np.linspace(0, len(files) - 1, MOST_MORE).astype(int)]
        yield from files


def _coco(listing: Path, images: Path) -> Iterator[ScenePicture]:
    """COCO's images with the boxes that it annotates; those of crowds are left to the teachers."""
    content = json.loads(listing.read_text())
    boxes: dict[int, list[list[float]]] = {}
    for row in content["annotations"]:
        if not row.get("iscrowd", 0):
            boxes.setdefault(row["image_id"], []).append(row["bbox"])
    for entry in content["images"]:
        found = np.asarray(boxes.get(entry["id"], []), np.float32).reshape(-1, 4)
        found[:, 2:] += found[:, :2]
        found /= np.tile((entry["width"], entry["height"]), 2).astype(np.float32)
        data = (images / entry["file_name"]).read_bytes()
        yield ScenePicture(entry["file_name"], "coco", data, found)
