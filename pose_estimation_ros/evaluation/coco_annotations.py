"""Reads COCO files: what may be left out is filled in, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pose_estimation_ros.engine.oks import AREA_OF_BOX
from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.evaluation.accuracy import Person, read_coco

PERSON_CATEGORY = 1
_LARGEST = 1e15
_NUMBERS = 3 * len(COCO17.joints)


def read_json(path: Path, kind: type) -> Any:
    """Reads a JSON file and checks the type of its content.

    Raises:
        InputError: it is missing, not JSON, or of another type.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"'{path}' is not a JSON file: {error}") from error
    if not isinstance(content, kind):
        expected = "COCO annotations" if kind is dict else "a list of COCO results"
        raise InputError(f"'{path}' holds a {type(content).__name__}: expected {expected}")
    return content


def read_annotations(path: Path) -> tuple[dict[str, Any], dict[int, str], list[Person]]:
    """Reads a COCO keypoint file.

    Only persons count, whatever the number of their category. What pycocotools needs and files
    leave out is filled in: `iscrowd`, `area` (from the box), `num_keypoints`, `categories`, and
    ids of annotations, which are numbered anew.

    Returns:
        The file so completed, the image file names by id, and all annotated people.

    Raises:
        InputError: it is missing or not a COCO keypoint file; the message names the entry.
    """
    listing = read_json(path, dict)
    try:
        names = _image_names(listing)
        completed = {**listing, "annotations": _annotations(listing, names)}
        completed["categories"] = [
            {"id": PERSON_CATEGORY, "name": "person", "keypoints": list(COCO17.joints)}
        ]
    except ValueError as error:
        raise InputError(
            f"'{path}' is not a COCO keypoint file ({error}): expected images with id and "
            f"file_name, and annotations with image_id, bbox and keypoints ({_NUMBERS} numbers)"
        ) from error
    return completed, names, read_coco(completed)


def person_category(listing: dict[str, Any]) -> int:
    """The number that persons have as a category in a file as it was read."""
    number = _person_category(listing)
    if number is None:  # whatever its only category is
        rows = listing.get("categories") or [{}]
        number = rows[0].get("id", PERSON_CATEGORY)
    return number


def image_sizes(listing: dict[str, Any]) -> dict[int, tuple[int, int]]:
    """Width and height in px by image id, of the images of which the file says them."""
    sizes = {}
    for row in listing["images"]:
        size = row.get("width"), row.get("height")
        if all(isinstance(side, int) and side > 0 for side in size):
            sizes[row["id"]] = size
    return sizes


def _image_names(listing: dict[str, Any]) -> dict[int, str]:
    names: dict[int, str] = {}
    for place, row in enumerate(_rows(listing, "images")):
        if not isinstance(row.get("file_name"), str) or not row["file_name"]:
            raise ValueError(f"image {place} has no 'file_name'")
        if isinstance(row.get("id"), bool) or not isinstance(row.get("id"), int | str):
            raise ValueError(f"image {place}, '{row['file_name']}', has no 'id'")
        if row["id"] in names:
            raise ValueError(
                f"two images have the id {row['id']}: '{names[row['id']]}' and "
                f"'{row['file_name']}'"
            )
        names[row["id"]] = row["file_name"]
    if len({type(image_id) for image_id in names}) > 1:
        raise ValueError("some ids of images are numbers and some are texts")
    return names


def _rows(listing: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = listing.get(key)
    if not isinstance(rows, list):
        raise ValueError(f"no '{key}'")
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"entry {place} of '{key}' is a {type(row).__name__}")
    return rows


def _annotations(listing: dict[str, Any], names: dict[int, str]) -> list[dict[str, Any]]:
    person = _person_category(listing)
    found: list[dict[str, Any]] = []
    for place, row in enumerate(_rows(listing, "annotations")):
        label = f"annotation {row.get('id', f'number {place}')}"
        if person is not None and row.get("category_id", person) != person:
            continue
        image_id = row.get("image_id")
        if not isinstance(image_id, int | str) or image_id not in names:
            raise ValueError(f"{label} names the unknown image {image_id}")
        box = _numbers(row.get("bbox"), 4, f"{label}: bbox")
        if min(box[2:]) < 0:
            raise ValueError(f"{label}: bbox has the size {box[2]:g}x{box[3]:g}")
        # Somebody of whom no joint is annotated may have none.
        given = row["keypoints"] if "keypoints" in row else [0] * _NUMBERS
        joints = _numbers(given, _NUMBERS, f"{label}: keypoints")
        area = row.get("area")
        if area is None:
            area = AREA_OF_BOX * box[2] * box[3]
        (area,) = _numbers([area], 1, f"{label}: area")
        if area < 0:
            raise ValueError(f"{label}: area is {area:g}")
        crowd = row.get("iscrowd") or 0
        if crowd not in (0, 1):
            raise ValueError(f"{label}: iscrowd is {json.dumps(crowd)}, not 0 or 1")
        found.append(
            {
                **row,
                "id": len(found) + 1,  # pycocotools takes 0 for nobody
                "category_id": PERSON_CATEGORY,
                "bbox": box,
                "keypoints": joints,
                "num_keypoints": _joint_count(row, joints, bool(crowd), label),
                "iscrowd": int(crowd),
                "area": area,
            }
        )
    return found


def _joint_count(row: dict[str, Any], joints: list[float], crowd: bool, label: str) -> int | float:
    """The number of annotated joints, by their flags where the entry does not say it.

    pycocotools leaves out whoever has 0, whatever the flags say, and other figures go by these.
    """
    marked = sum(flag > 0 for flag in joints[2::3])
    said = row.get("num_keypoints")
    if said is None:
        return marked
    (count,) = _numbers([said], 1, f"{label}: num_keypoints")
    if not crowd and bool(count) != bool(marked):
        raise ValueError(f"{label}: num_keypoints is {count:g}, and {marked} joints are marked")
    return count


def _check_joint_names(row: dict[str, Any]) -> None:
    """Raises ValueError where a category names some of COCO's joints, but not all in order."""
    names = row.get("keypoints")
    if not isinstance(names, list):
        return
    named = [str(name).strip().lower().replace(" ", "_").replace("-", "_") for name in names]
    known = COCO17.joints
    if named != list(known) and set(named) & set(known):
        pairs = zip_longest(named, known, fillvalue="none")
        place, found, wanted = next((i, a, b) for i, (a, b) in enumerate(pairs) if a != b)
        raise ValueError(
            f"joint {place} of category '{row.get('name')}' is '{found}', COCO's is '{wanted}'"
        )


def _person_category(listing: dict[str, Any]) -> int | None:
    """The number of the category of persons; None where there is only one category, or none."""
    categories = _rows(listing, "categories") if listing.get("categories") else []
    if len(categories) < 2:
        for row in categories:
            _check_joint_names(row)
        return None
    for row in categories:
        if str(row.get("name", "")).lower() == "person":
            _check_joint_names(row)
            number: int = row.get("id", PERSON_CATEGORY)
            return number
    named = ", ".join(str(row.get("name")) for row in categories)
    raise ValueError(f"none of its categories is 'person': {named}")


def _numbers(values: Any, count: int, what: str) -> list[float]:
    """Finite numbers below 1e15, `count` of them."""
    if not isinstance(values, Iterable) or isinstance(values, str | dict):
        raise ValueError(f"{what} is {json.dumps(values)}, not {count} numbers")
    listed = list(values)
    if len(listed) != count:
        joints = ""
        if count == _NUMBERS and len(listed) % 3 == 0:
            joints = f" ({len(listed) // 3} joints, not COCO's {len(COCO17.joints)})"
        raise ValueError(f"{what} has {len(listed)} numbers{joints}, not {count}")
    for value in listed:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{what} holds {json.dumps(value)}, not {count} numbers")
        if not abs(value) <= _LARGEST:  # NaN, too
            raise ValueError(f"{what} holds {str(value)[:40]}, not {count} numbers")
    return listed
