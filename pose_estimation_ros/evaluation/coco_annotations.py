"""Reads COCO annotation and result files, with specific errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pose_estimation_ros.errors import InputError
from pose_estimation_ros.evaluation.accuracy import Person, read_coco


def read_json(path: Path, kind: type) -> Any:
    """Reads a JSON file and checks the type of its content.

    Raises:
        InputError: it is missing, not JSON, or of another type.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"'{path}' is not a JSON file: {error}") from error
    if not isinstance(content, kind):
        expected = "COCO annotations" if kind is dict else "a list of COCO results"
        raise InputError(f"'{path}' holds a {type(content).__name__}: expected {expected}")
    return content


def write_text(path: Path, text: str) -> None:
    """Writes a text file, and its folder if needed.

    Raises:
        InputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror}") from error


def read_annotations(path: Path) -> tuple[dict[str, Any], dict[int, str], list[Person]]:
    """Reads a COCO keypoint file.

    Returns:
        The parsed file, the image file names by id, and all annotated people.

    Raises:
        InputError: it is missing or not a COCO keypoint file.
    """
    listing = read_json(path, dict)
    try:
        names = {row["id"]: row["file_name"] for row in listing["images"]}
        return listing, names, read_coco(listing)
    except (KeyError, TypeError, ValueError) as error:
        what = f"no '{error.args[0]}'" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"'{path}' is not a COCO keypoint file ({what}): expected images with file_name, and "
            "annotations with bbox and keypoints"
        ) from error
