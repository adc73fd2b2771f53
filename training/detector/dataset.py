"""Batches of augmented pictures for the detector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from training.augmentation.detector import whole_scene
from training.augmentation.mosaic import compose
from training.augmentation.scene_copy_paste import SceneCopyPaste
from training.common.image_pool import Pool

EPOCH = 16_000  # pictures; about as many as there are source images
Batch = tuple[Tensor, Tensor, Tensor]


class Pictures(IterableDataset[Batch]):
    """Endless batches; one side for all pictures of a batch.

    Args:
        cache: see ``training.build_cache``.
        batch: pictures of each.
        sides: of the pictures, px; one of them is drawn for each batch.
        seed: of everything random.
        scenes: the first so many pictures of a batch are whole scenes; the others are mosaics.
        crop_scenes: share of the whole scenes that show a person crop.
        copy_paste: share of the whole scenes that people are pasted into.
    """

    def __init__(
        self,
        cache: Path,
        batch: int,
        sides: list[int],
        seed: int,
        scenes: int = 0,
        crop_scenes: float = 0.0,
        copy_paste: float = 0.0,
    ) -> None:
        self.cache, self.batch, self.sides, self.seed = cache, batch, sides, seed
        self.scenes, self.crop_scenes, self.copy_paste = scenes, crop_scenes, copy_paste

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(0)
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        pool = Pool(self.cache)
        copy_paste = SceneCopyPaste(pool) if self.copy_paste else None
        while True:
            side = int(rng.choice(self.sides))
            pictures = []
            for _ in range(self.scenes):
                chosen = copy_paste if copy_paste and rng.random() < self.copy_paste else None
                scene = whole_scene(pool, side, rng, crops=self.crop_scenes, copy_paste=chosen)
                pictures.append(scene)
            pictures += [compose(pool, side, rng) for _ in range(self.batch - self.scenes)]
            yield collate(pictures)


def collate(pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Batch:
    """Stack pictures and pad their boxes: (n, s, s, 3) uint8, (n, G, 4), (n, G)."""
    most = max(1, *(len(kind) for _, _, kind in pictures))
    boxes = torch.zeros(len(pictures), most, 4)
    kinds = torch.zeros(len(pictures), most)
    for i, (_, box, kind) in enumerate(pictures):
        boxes[i, : len(box)] = torch.from_numpy(box)
        kinds[i, : len(kind)] = torch.from_numpy(kind)
    images = torch.from_numpy(np.stack([image for image, _, _ in pictures]))
    return images, boxes, kinds
