"""The cached images and their labelled people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.common.scene_packs import GROUPS

SMALLEST = 14  # px of the longer side from which a box is taught
# How often a scene of each group is drawn: streets are alike, COCO's are annotated.
SHARES = {"street": 0.04, "empty": 0.3, "everyday": 0.36, "coco": 0.3}
HARD_SHARE = 0.5  # of the empty ones: those in which a detector saw somebody
HARD_NEGATIVES = "hard_negatives.npy"  # their numbers, of ``training.hard_negatives``
CROP_SHARE = 0.4  # of the images in mosaics
SURE, UNSURE = 0.5, 0.2  # confidence of a label: above it a person; below this nothing

# The kind of a row that is no box: everybody in the picture is labelled, whatever teachers say.
NOBODY_ELSE = -9

Labels = tuple[np.ndarray, np.ndarray]  # boxes (n, 4) xyxy px and their confidence (n,)


@dataclass
class Source:
    """An image (h, w, 3), its boxes (k, 4) xyxy px and their kinds (k,): 1, or -1 unsure.

    ``empty``: it is known that nobody is in it.
    """

    image: np.ndarray
    boxes: np.ndarray
    kind: np.ndarray
    empty: bool = False


class Pool:
    """The cached crops and scenes with their labels.

    Args:
        cache: folder that ``training.build_cache`` filled.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        # Mode "c", as torch wants what it could write to.
        self.crops = np.load(cache / "crops.npy", mmap_mode="c")
        self.scenes = np.load(cache / "scenes.npy", mmap_mode="c")
        self.labels = dict(np.load(cache / "boxes.npz"))
        ends = np.cumsum(self.labels["scenes_groups"])
        starts = ends - self.labels["scenes_groups"]
        self.groups = {
            name: (int(start), int(end))
            for name, start, end in zip(GROUPS, starts, ends, strict=True)
            if end > start
        }
        self.others = int(starts[-1])  # scenes before COCO's, which are the last
        hard = cache / HARD_NEGATIVES
        self.hard_negatives = np.load(hard) if hard.exists() else np.zeros(0, int)

    def _labels(self, name: str, index: int) -> tuple[np.ndarray, np.ndarray]:
        start, end = self.labels[f"{name}_offsets"][index : index + 2]
        boxes = self.labels[f"{name}_boxes"][start:end]
        confidence = self.labels[f"{name}_confidence"][start:end]
        keep = confidence >= UNSURE
        kind = np.where(confidence[keep] > SURE, 1, -1)
        return boxes[keep].astype(np.float32), kind

    def crop(self, index: int) -> Source:
        """Crop number ``index``."""
        return Source(self.crops[index], *self._labels("crops", index))

    def scene(self, index: int) -> Source:
        """Scene number ``index``."""
        width, height = self.labels["scenes_sizes"][index]
        low, high = self.groups.get("empty", (0, 0))
        image = self.scenes[index, :height, :width]
        return Source(image, *self._labels("scenes", index), low <= index < high)

    def draw_scene(self, rng: np.random.Generator) -> Source:
        """A random scene; ``SHARES`` says how often one of each group is drawn."""
        names = list(self.groups)
        shares = np.array([SHARES[name] for name in names])
        name = names[rng.choice(len(names), p=shares / shares.sum())]
        if name == "empty" and len(self.hard_negatives) and rng.random() < HARD_SHARE:
            return self.scene(int(rng.choice(self.hard_negatives)))
        return self.scene(int(rng.integers(*self.groups[name])))

    def draw(self, rng: np.random.Generator) -> Source:
        """A random image: a crop or a scene."""
        if rng.random() < CROP_SHARE:
            return self.crop(int(rng.integers(len(self.crops))))
        return self.draw_scene(rng)


def pack(labels: list[Labels]) -> dict[str, np.ndarray]:
    """Join the images' boxes into flat arrays with offsets."""
    counts = [len(confidence) for _, confidence in labels]
    return {
        "boxes": np.concatenate([boxes for boxes, _ in labels]).astype(np.float32),
        "confidence": np.concatenate([c for _, c in labels]).astype(np.float32),
        "offsets": np.concatenate(([0], np.cumsum(counts))),
    }
