"""COCO files of every make give pycocotools' figures, or an error that names the entry."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.evaluation.coco_annotations import image_sizes, read_annotations
from pose_estimation_ros.evaluation.coco_metrics import coco_figures

Change = Callable[[dict[str, Any]], object]
JOINTS = np.random.default_rng(0).integers(20, 180, (4, 17, 2))


def _listing() -> dict[str, Any]:
    """Two images with two persons each."""
    annotations = []
    for number, xy in enumerate(JOINTS):
        low, high = xy.min(axis=0), xy.max(axis=0)
        joints = np.column_stack([xy, np.full(17, 2)])
        annotations.append(
            {
                "id": number + 1,
                "image_id": 1 + number // 2,
                "category_id": 1,
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "area": 9000.0,
                "iscrowd": 0,
                "num_keypoints": 17,
                "keypoints": joints.reshape(-1).tolist(),
            }
        )
    images = [{"id": i, "file_name": f"{i}.png", "width": 200, "height": 200} for i in (1, 2)]
    categories = [{"id": 1, "name": "person"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def _results() -> list[dict[str, Any]]:
    """The right answer."""
    return [
        {
            "image_id": 1 + number // 2,
            "category_id": 1,
            "keypoints": np.column_stack([xy, np.ones(17)]).reshape(-1).tolist(),
            "score": 0.9,
        }
        for number, xy in enumerate(JOINTS)
    ]


def _read(change: Change, folder: Path) -> tuple[dict[str, Any], dict[int, str], list]:
    listing = copy.deepcopy(_listing())
    change(listing)
    path = folder / "people.json"
    path.write_text(json.dumps(listing))
    return read_annotations(path)


def _rows(do: Callable[[dict[str, Any]], object]) -> Change:
    return lambda listing: [do(row) for row in listing["annotations"]]


def _other_categories(listing: dict[str, Any]) -> None:
    listing["categories"] = [{"id": 7, "name": "dog"}, {"id": 3, "name": "Person"}]
    for row in listing["annotations"]:
        row["category_id"] = 3
    dog = copy.deepcopy(listing["annotations"][0])
    listing["annotations"].append({**dog, "category_id": 7, "id": 99, "keypoints": [1, 2, 3]})


GOOD: dict[str, Change] = {
    "as it is": lambda listing: None,
    "ids from 0": _rows(lambda row: row.update(id=row["id"] - 1)),
    "negative ids": _rows(lambda row: row.update(id=-row["id"])),
    "one id for all": _rows(lambda row: row.update(id=1)),
    "no ids": _rows(lambda row: row.pop("id")),
    "no iscrowd": _rows(lambda row: row.pop("iscrowd")),
    "iscrowd null": _rows(lambda row: row.update(iscrowd=None)),
    "no area": _rows(lambda row: row.pop("area")),
    "area null": _rows(lambda row: row.update(area=None)),
    "num_keypoints null": _rows(lambda row: row.update(num_keypoints=None)),
    "iscrowd false": _rows(lambda row: row.update(iscrowd=False)),
    "categories null": lambda listing: listing.update(categories=None),
    "joints named as COCO's": lambda listing: listing["categories"][0].update(
        keypoints=[name.replace("_", " ").title() for name in COCO17.joints]
    ),
    "joints of no names": lambda listing: listing["categories"][0].update(
        keypoints=[f"joint{number}" for number in range(17)]
    ),
    "no num_keypoints": _rows(lambda row: row.pop("num_keypoints")),
    "no category_id": _rows(lambda row: row.pop("category_id")),
    "no categories": lambda listing: listing.pop("categories"),
    "person is category 0": lambda listing: (
        listing.update(categories=[{"id": 0, "name": "person"}]),
        [row.update(category_id=0) for row in listing["annotations"]],
    ),
    "several categories": _other_categories,
    "somebody without joints": lambda listing: listing["annotations"].append(
        {"id": 5, "image_id": 1, "bbox": [150, 150, 20, 20], "iscrowd": 1}
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_may_be_left_out_is_filled_in(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="it computes the figures")
    listing, names, people = _read(GOOD[name], tmp_path)
    assert names == {1: "1.png", 2: "2.png"}
    assert sum(person.counted for person in people) == 4
    figures = coco_figures(listing, [1, 2], _results())
    assert figures is not None and figures["AP"] == pytest.approx(1.0)


BAD: dict[str, tuple[Change, str]] = {
    "two images of one id": (
        lambda listing: listing["images"][1].update(id=1),
        "two images have the id 1: '1.png' and '2.png'",
    ),
    "no file_name": (lambda listing: listing["images"][1].pop("file_name"), "image 1 has no 'fi"),
    "no image id": (lambda listing: listing["images"][1].pop("id"), "image 1, '2.png', has no"),
    "ids of two kinds": (lambda listing: listing["images"][1].update(id="2"), "numbers and some"),
    "unknown image": (
        lambda listing: listing["annotations"][2].update(image_id=9),
        "annotation 3 names the unknown image 9",
    ),
    "joints null": (
        lambda listing: listing["annotations"][1].update(keypoints=None),
        "annotation 2: keypoints is null, not 51 numbers",
    ),
    "a number null": (
        lambda listing: listing["annotations"][1]["keypoints"].__setitem__(4, None),
        "annotation 2: keypoints holds null",
    ),
    "a text": (
        lambda listing: listing["annotations"][1]["keypoints"].__setitem__(4, "3"),
        'annotation 2: keypoints holds "3"',
    ),
    "26 joints": (
        lambda listing: listing["annotations"][0].update(keypoints=[1] * 78),
        r"annotation 1: keypoints has 78 numbers \(26 joints, not COCO's 17\)",
    ),
    "pairs": (
        lambda listing: listing["annotations"][0].update(keypoints=[[1, 2, 2]] * 17),
        "annotation 1: keypoints has 17 numbers, not 51",
    ),
    "no box": (lambda listing: listing["annotations"][3].pop("bbox"), "annotation 4: bbox is nul"),
    "box of three": (
        lambda listing: listing["annotations"][3].update(bbox=[1, 2, 3]),
        "annotation 4: bbox has 3 numbers, not 4",
    ),
    "area of text": (
        lambda listing: listing["annotations"][3].update(area="big"),
        'annotation 4: area holds "big"',
    ),
    "area below 0": (
        lambda listing: listing["annotations"][3].update(area=-5),
        "annotation 4: area is -5",
    ),
    "a huge area": (
        lambda listing: listing["annotations"][3].update(area=10**400),
        "annotation 4: area holds 1000",
    ),
    "a box turned over": (
        lambda listing: listing["annotations"][1].update(bbox=[100, 100, -20, 30]),
        "annotation 2: bbox has the size -20x30",
    ),
    "iscrowd as text": (
        lambda listing: listing["annotations"][1].update(iscrowd="0"),
        'annotation 2: iscrowd is "0", not 0 or 1',
    ),
    "joints that do not count": (
        lambda listing: listing["annotations"][1].update(num_keypoints=0),
        "annotation 2: num_keypoints is 0, and 17 joints are marked",
    ),
    "num_keypoints as text": (
        lambda listing: listing["annotations"][1].update(num_keypoints="17"),
        'annotation 2: num_keypoints holds "17"',
    ),
    "joints in another order": (
        lambda listing: listing["categories"][0].update(keypoints=sorted(COCO17.joints)),
        "joint 0 of category 'person' is 'left_ankle', COCO's is 'nose'",
    ),
    "an animal's joints": (
        lambda listing: listing["categories"][0].update(
            name="dog", keypoints=["left_eye", "right_eye", "nose", "neck", "root_of_tail"]
        ),
        "joint 0 of category 'dog' is 'left_eye', COCO's is 'nose'",
    ),
    "not a number": (
        lambda listing: listing["annotations"][3].update(area=float("nan")),
        "annotation 4: area holds nan",
    ),
    "no person": (
        lambda listing: listing.update(categories=[{"id": 1, "name": "a"}, {"name": "b"}]),
        "none of its categories is 'person': a, b",
    ),
    "no annotations": (lambda listing: listing.pop("annotations"), "no 'annotations'"),
    "entries of another kind": (lambda listing: listing.update(images=[1]), "entry 0 of 'images'"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    change, words = BAD[name]
    with pytest.raises(InputError, match=words):
        _read(change, tmp_path)


def test_sizes_that_the_file_says() -> None:
    listing = _listing()
    listing["images"][1]["width"] = None
    assert image_sizes(listing) == {1: (200, 200)}
