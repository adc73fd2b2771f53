"""Crops out of scenes for the pose network: people where they are, and any parts.

They have no labels: their targets are the teacher's alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.augmentation.warp import as_pictures, centred, similarity, warp
from training.common.data import CROP_SIDE, ENLARGE
from training.common.image_pool import SURE, Pool
from training.common.rng import BatchRng

PART_SIDES = 0.12, 0.7  # of a scene's shorter side, of the parts that are shown
SCALES = 0.82, 1.3  # range of a crop's size, relative to the one at runtime
COCO_SHARE = 0.6  # of the scenes: COCO's are few, but the street scenes are alike
MIN_PERSON = 36  # px of the longer side of the box, in a scene of 448 px
# People in a crop besides its own: px of the longer side, px off the centre, share of those drawn.
MIN_BYSTANDER, MIN_BYSTANDER_OFFSET, BYSTANDER_SHARE = 60, 40, 0.4


class SceneShares(NamedTuple):
    """Shares of the crops that are replaced by crops out of scenes, without labels.

    Attributes:
        people: a person and what is around it.
        parts: any part, with people or without.
    """

    people: float = 0.0
    parts: float = 0.0


NO_SCENES = SceneShares()


class SceneCrops:
    """People and parts of scenes, and bystanders in other people's crops.

    Args:
        pool: with the scenes and the labels.
        cutouts: (n, 256, 256, 4) uint8, the crops, on the device to compute on.
        indices: of the crops whose bystanders may be shown.
    """

    def __init__(self, pool: Pool, cutouts: Tensor, indices: Tensor) -> None:
        self.cutouts, device = cutouts, cutouts.device
        self.scenes = torch.from_numpy(pool.scenes).to(device)
        self.sizes = torch.from_numpy(pool.labels["scenes_sizes"]).to(device)
        self.others = pool.others
        boxes, scene_of = confident_people(pool, "scenes", MIN_PERSON)
        self.boxes, self.scene_of = (torch.from_numpy(a).to(device) for a in (boxes, scene_of))
        self.box_others = int((self.scene_of < self.others).sum())
        boxes, crop_of = confident_people(pool, "crops", MIN_BYSTANDER)
        away = np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - CROP_SIDE / 2).max(1, initial=0)
        other = (away > MIN_BYSTANDER_OFFSET) & np.isin(crop_of, indices.cpu().numpy())
        self.bystanders, self.bystander_crop = (
            torch.from_numpy(a[other]).to(device) for a in (boxes, crop_of)
        )

    def replace(
        self, pictures: Tensor, weight: Tensor, shares: SceneShares, rng: BatchRng
    ) -> None:
        """Replace ``shares`` of the pictures (n, 3, side, side) and their weights, in place."""
        count, side = len(pictures), pictures.shape[-1]
        people, parts = round(shares.people * count), round(shares.parts * count)
        rows = rng.permutation(count)[: people + parts]
        pictures[rows[:people]] = self.people(people, side, rng)
        pictures[rows[people:]] = self.parts(parts, side, *PART_SIDES, rng)
        weight[rows] = 0

    def parts(self, count: int, side: int, least: float, most: float, rng: BatchRng) -> Tensor:
        """Squares of scenes, ``least`` to ``most`` of their shorter side: (n, 3, side, side)."""
        index = draw_indices(self.others, len(self.scenes), count, rng)
        sizes = self.sizes[index].float()
        edge = sizes.amin(1) * rng.uniform(least, most, count)
        corner = (sizes - edge[:, None]) * rng.uniform(0, 1, count, 2)
        scale = side / edge
        flat = torch.zeros_like(scale)
        linear = similarity(scale, flat, flat + 1)
        return warp(as_pictures(self.scenes[index]), linear, -corner * scale[:, None], side)

    def people(self, count: int, side: int, rng: BatchRng) -> Tensor:
        """People in scenes, cropped as a detector would: (n, 3, side, side).

        Bystanders in other people's crops, too.
        """
        if not len(self.boxes):
            return self.parts(count, side, *PART_SIDES, rng)
        besides = round(BYSTANDER_SHARE * count) if len(self.bystanders) else 0
        index = draw_indices(self.box_others, len(self.boxes), count - besides, rng)
        scenes = as_pictures(self.scenes[self.scene_of[index]])
        found = [box_crops(scenes, self.boxes[index], side, rng)]
        if besides:
            index = rng.integers(len(self.bystanders), besides)
            crops = as_pictures(self.cutouts[self.bystander_crop[index]][..., :3])
            found.append(box_crops(crops, self.bystanders[index], side, rng))
        return torch.cat(found)


def draw_indices(others: int, total: int, count: int, rng: BatchRng) -> Tensor:
    """Random indices (count,), ``COCO_SHARE`` of them COCO's, which are the last of ``total``."""
    if not 0 < others < total:
        return rng.integers(total, count)
    of_others, of_coco = rng.integers(others, count), rng.integers(total - others, count)
    return torch.where(rng.chance(COCO_SHARE, count), others + of_coco, of_others)


def box_crops(pictures: Tensor, boxes: Tensor, side: int, rng: BatchRng) -> Tensor:
    """Crops (n, 3, side, side) of pictures (n, 3, h, w) around boxes (n, 4), xyxy px, jittered."""
    count = len(boxes)
    low, high = boxes.split(2, 1)
    middle, longer = jitter_boxes((low + high) / 2, (high - low).amax(1), rng)
    angle = torch.deg2rad(rng.normal(12, count) * rng.chance(0.6, count))
    # A box's corners are edges of pixels, not middles.
    moved = centred(middle - 0.5, side / longer, angle, rng.sign(count), side)
    return warp(pictures, *moved, side)


def jitter_boxes(middle: Tensor, longer: Tensor, rng: BatchRng) -> tuple[Tensor, Tensor]:
    """The centre (n, 2) and the side (n,) of crops around boxes, as inexact as a detector's.

    Args:
        middle: (n, 2) of the boxes; longer: (n,) their longer sides, px.
    """
    longer = longer * ENLARGE * rng.uniform(*SCALES, len(longer))
    shake = rng.normal(0.05, len(longer), 2).clamp(-0.12, 0.12)
    return middle + shake * longer[:, None], longer


def confident_people(pool: Pool, kind: str, smallest: float) -> tuple[np.ndarray, np.ndarray]:
    """The boxes (n, 4) of people, xyxy px, and (n,) which picture each is in.

    Only confident labels, whose longer side is ``smallest`` px or more.

    Args:
        pool: with the labels; kind: ``scenes`` or ``crops``.
    """
    boxes, offsets = pool.labels[f"{kind}_boxes"], pool.labels[f"{kind}_offsets"]
    picture = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    sure = pool.labels[f"{kind}_confidence"] >= SURE
    large = (boxes[:, 2:] - boxes[:, :2]).max(1, initial=0) >= smallest
    return boxes[sure & large].astype(np.float32), picture[sure & large]
