"""The cached images and their labelled people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

SMALLEST = 14  # px of the longer side from which a box is taught
SURE, UNSURE = 0.5, 0.2  # confidence of a label: person from here; below this nothing

Labels = tuple[np.ndarray, np.ndarray]  # boxes (n, 4) xyxy px and their confidence (n,)


@dataclass
class Source:
    """An image (h, w, 3), its boxes (k, 4) xyxy px and their kinds (k,): 1, or -1 unsure."""

    image: np.ndarray
    boxes: np.ndarray
    kind: np.ndarray


class Pool:
    """The cached crops and scenes with their labels.

    Args:
        cache: folder that ``training.build_cache`` filled.
        coco: so many of the scenes, the last ones, are COCO's.
    """

    def __init__(self, cache: Path, coco: int = 78) -> None:
        self.cache = cache
        # Mode "c", as torch wants what it could write to.
        self.crops = np.load(cache / "crops.npy", mmap_mode="c")
        self.scenes = np.load(cache / "scenes.npy", mmap_mode="c")
        self.labels = dict(np.load(cache / "boxes.npz"))
        self.streets = len(self.scenes) - coco

    def _labels(self, name: str, index: int) -> tuple[np.ndarray, np.ndarray]:
        start, end = self.labels[f"{name}_offsets"][index : index + 2]
        boxes = self.labels[f"{name}_boxes"][start:end]
        confidence = self.labels[f"{name}_confidence"][start:end]
        keep = confidence >= UNSURE
        kind = np.where(confidence[keep] >= SURE, 1, -1)
        return boxes[keep].astype(np.float32), kind

    def crop(self, index: int) -> Source:
        """Crop number ``index``."""
        return Source(self.crops[index], *self._labels("crops", index))

    def scene(self, index: int) -> Source:
        """Scene number ``index``."""
        width, height = self.labels["scenes_sizes"][index]
        return Source(self.scenes[index, :height, :width], *self._labels("scenes", index))

    def draw(self, rng: np.random.Generator) -> Source:
        """A random image: mostly crops, as the street scenes are alike and COCO's are few."""
        choice = rng.random()
        if choice < 0.66:
            return self.crop(int(rng.integers(len(self.crops))))
        if choice < 0.84 or self.streets == len(self.scenes):
            return self.scene(int(rng.integers(self.streets)))
        return self.scene(int(rng.integers(self.streets, len(self.scenes))))


def pack(labels: list[Labels]) -> dict[str, np.ndarray]:
    """Join the images' boxes into flat arrays with offsets."""
    counts = [len(confidence) for _, confidence in labels]
    return {
        "boxes": np.concatenate([boxes for boxes, _ in labels]).astype(np.float32),
        "confidence": np.concatenate([c for _, c in labels]).astype(np.float32),
        "offsets": np.concatenate(([0], np.cumsum(counts))),
    }
