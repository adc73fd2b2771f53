"""Folders of images with labels as YOLO writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

JOINTS = 17


def labelled_images(folder: Path) -> Iterator[tuple[Path, list[list[str]]]]:
    """Every file of ``images/`` with the numbers of its people in ``labels/``.

    Each line of a label file is a class, 0 for a person, a box's centre, width and height and, in
    files of poses, x, y and visibility of each of COCO's joints; all lengths are shares of the
    image's. Yields what follows the class, of people only.
    """
    for path in sorted((folder / "images").iterdir()):
        lines = (folder / "labels" / f"{path.stem}.txt").read_text().splitlines()
        words = [line.split() for line in lines]
        yield path, [row[1:] for row in words if row[:1] == ["0"]]
