"""Folders, sizes and readers of the training data."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pose_estimation_ros.model_zoo.pipeline_models import INT8_SIZE

CROP_SIDE, SCENE_SIDE = 256, 416
BOX_IN_CROP = CROP_SIDE / 1.5
# Longer side in px of what the detector is shown when it runs.
DETECTOR_SIDE = INT8_SIZE
ENLARGE = 1.05  # the network's crop is the box's longer side times this
# COCO's joints in a mirrored picture.
FLIP = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
HELD_OUT = 10  # one crop of this many is held out of training, to measure depth on


def default_shared() -> Path:
    """The data folder beside the checkout."""
    return Path(__file__).resolve().parents[3] / "shared"


def default_cache() -> Path:
    """Where the cache goes by default: beside the checkout, never inside it."""
    return Path(__file__).resolve().parents[3] / "train" / "cache"


def held_out(count: int) -> np.ndarray:
    """Which of ``count`` crops are held out; (count,) bool.

    Blocks of 20 successive crops go together, as neighbours may come from one photograph.
    """
    return (np.arange(count) // 20) % HELD_OUT == HELD_OUT - 1


def read_tar(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names without folders and contents of a tar's webp files, by name."""
    with tarfile.open(path) as tar:
        members = [m for m in tar.getmembers() if m.isfile() and m.name.endswith(".webp")]
        for member in members:
            file = tar.extractfile(member)
            if file is not None:
                yield Path(member.name).name, file.read()


def decode(data: bytes) -> np.ndarray:
    """RGB image (h, w, 3) of an encoded one.

    Raises:
        ValueError: these bytes are no image.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), 1)
    if image is None:
        raise ValueError("not an image that can be decoded")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
