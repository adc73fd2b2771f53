"""Silhouettes of the crops' people by MediaPipe Pose, for both copy-pastes.

    pip install mediapipe==0.10.14
    python -m training.augmentation.silhouettes

MediaPipe wants an environment of its own, as its requirements differ. Crops where it finds nobody
get an empty one. Takes 8 minutes on 2 cores.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from training.common.data import CROP_SIDE, default_cache

CUTOUTS = "cutouts.npy"  # (n, 256, 256, 4): the crops with their silhouettes
OUTLINES = "outlines.npy"  # (n, 4): the box around each silhouette
INSIDE = 127  # a silhouette's value from which a pixel is the person's
CHUNK = 200
LEAST_CONFIDENCE = 0.3  # that there is a person: there is one in every crop


def open_cutouts(path: Path) -> np.ndarray:
    """What ``training.augmentation.silhouettes`` wrote.

    Raises:
        FileNotFoundError: it did not.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: run python -m training.augmentation.silhouettes first"
        )
    found: np.ndarray = np.load(path, mmap_mode="c")  # torch wants what it could write to
    return found


def segment(path: Path, start: int) -> np.ndarray:
    """``CHUNK`` crops of the file from ``start`` on with their silhouettes: (k, 256, 256, 4)."""
    from mediapipe.python.solutions.pose import Pose

    crops = np.load(path, mmap_mode="r")[start : start + CHUNK]
    drawn = np.zeros((*crops.shape[:3], 4), np.uint8)
    drawn[..., :3] = crops
    with Pose(
        static_image_mode=True, enable_segmentation=True, min_detection_confidence=LEAST_CONFIDENCE
    ) as pose:
        for crop, cutout in zip(crops, drawn, strict=True):
            mask = pose.process(np.ascontiguousarray(crop)).segmentation_mask
            if mask is not None:
                cutout[..., 3] = (mask * 255).clip(0, 255)
    return drawn


def outline(silhouette: np.ndarray) -> tuple[int, int, int, int]:
    """The box (x0, y0, x1, y1) around a silhouette (h, w); zeros where it is empty."""
    inside = silhouette > INSIDE
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="silhouettes of the crops' people")
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="see training.build_cache"
    )
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    path = options.cache / "crops.npy"
    count = len(np.load(path, mmap_mode="r"))
    unfinished = options.cache / "cutouts.part.npy"
    out = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (count, CROP_SIDE, CROP_SIDE, 4))
    outlines = np.zeros((count, 4), int)
    with ProcessPoolExecutor(options.workers) as pool:
        starts = range(0, count, CHUNK)
        for start, drawn in zip(starts, pool.map(partial(segment, path), starts), strict=True):
            out[start : start + len(drawn)] = drawn
            outlines[start : start + len(drawn)] = [outline(cutout[..., 3]) for cutout in drawn]
            found = int(outlines.any(1).sum())
            print(f"silhouettes {start + len(drawn)}/{count}, {found} found", flush=True)
    np.save(options.cache / OUTLINES, outlines)
    unfinished.rename(options.cache / CUTOUTS)


if __name__ == "__main__":
    main()
