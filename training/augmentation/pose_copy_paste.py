"""Copy-paste for the pose network: other people and backgrounds in a person's crop.

People in COCO's images are rarely alone, those in the crops are. People are cut out of other
crops by their silhouettes, which ``python -m training.augmentation.silhouettes`` draws once, and
pasted beside, behind or in front of the crop's own person.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.augmentation.warp import as_pictures, at, blend, centred, similarity, warp
from training.common.data import BOX_IN_CROP, CROP_SIDE, ENLARGE
from training.common.image_pool import SURE, Pool
from training.common.rng import BatchRng

PARTS = 0.12, 0.7  # of the scene's shorter side, of any part
SCALES = 0.82, 1.3  # how large a crop is, by what it is at runtime
# SceneShares of crops that get one at least, two at least, three others.
PASTED = (0.5, 0.25, 0.1)
NEW_BACKGROUND = 0.2  # share of crops that get another background
MAX_COVERED = 0.4  # of the labelled joints, by somebody in front
COVERED_WEIGHT = 0.5  # of a covered joint: where it is can only be guessed
CENTRE = CROP_SIDE / 2 - 0.5
COCO_SHARE = 0.6  # of what is drawn from scenes: COCO's are few, but the streets are alike
MIN_PERSON = 36  # px of the longer side of the box, in a scene of 448 px
# Others in a crop of somebody: px of the longer side, px off its middle, share of those drawn.
MIN_BYSTANDER, MIN_BYSTANDER_OFFSET, BYSTANDER_SHARE = 60, 40, 0.4


class SceneShares(NamedTuple):
    """How many of the crops show something else, without labels, out of scenes.

    Attributes:
        people: a person and what is around it.
        parts: any part, with people or without.
    """

    people: float = 0.0
    parts: float = 0.0


NO_SCENES = SceneShares()


class PoseCopyPaste:
    """What may be added to crops.

    Args:
        cache: of ``training.build_cache``.
        cutouts: (n, 256, 256, 4) uint8, on the device to compute on.
        joints: (n, 17, 3) of all crops; weight: (n, 17); on that device too.
        indices: of the crops to draw people from.
    """

    def __init__(
        self, cache: Path, cutouts: Tensor, joints: Tensor, weight: Tensor, indices: Tensor
    ) -> None:
        self.cutouts, device = cutouts, cutouts.device
        self.trusted = torch.zeros(len(joints), dtype=torch.bool, device=device)
        indices = indices.unique()
        self.trusted[indices] = joints_in_silhouette(cutouts[..., 3], joints, weight, indices)
        self.people = self.trusted.nonzero()[:, 0]
        pool = Pool(cache)
        self.scenes = torch.from_numpy(pool.scenes).to(device)
        self.sizes = torch.from_numpy(pool.labels["scenes_sizes"]).to(device)
        self.streets = pool.streets
        boxes, scene_of = confident_people(pool, "scenes", MIN_PERSON)
        self.boxes, self.scene_of = (torch.from_numpy(a).to(device) for a in (boxes, scene_of))
        self.box_streets = int((self.scene_of < self.streets).sum())
        boxes, crop_of = confident_people(pool, "crops", MIN_BYSTANDER)
        away = np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - CROP_SIDE / 2).max(1, initial=0)
        other = (away > MIN_BYSTANDER_OFFSET) & np.isin(crop_of, indices.cpu().numpy())
        self.bystanders, self.bystander_crop = (
            torch.from_numpy(a[other]).to(device) for a in (boxes, crop_of)
        )

    def cutout(self, indices: Tensor) -> Tensor:
        """Crops with their silhouettes, empty where not to be trusted: (n, 4, 256, 256) float."""
        found = as_pictures(self.cutouts[indices])
        found[:, 3] *= self.trusted[indices, None, None] / 255
        return found

    def paste(
        self, pictures: Tensor, joints: Tensor, weight: Tensor, scale: Tensor, rng: BatchRng
    ) -> tuple[Tensor, Tensor]:
        """Put persons elsewhere, or others beside them, now and then.

        Args:
            pictures: (n, 4, side, side), crops and their silhouettes in [0, 1].
            joints: (n, 17, 3), x, y in their px; weight: (n, 17, 2).
            scale: (n,) px of the pictures for one of the stored crops.

        Returns:
            The pictures (n, 3, side, side) and the weights, lower for joints that are covered.
        """
        count, side = len(pictures), pictures.shape[-1]
        alone, mask, weight = pictures[:, :3].clone(), pictures[:, 3:].clone(), weight.clone()
        known = mask.flatten(1).amax(1) > 0
        rows = rng.permutation(count)[: round(NEW_BACKGROUND * count)]
        where = self.backgrounds(len(rows), side, rng)
        there = blend(where, alone[rows], mask[rows])
        alone[rows] = torch.where(known[rows, None, None, None], there, alone[rows])
        order = rng.permutation(count)
        for share in PASTED if len(self.people) else ():
            rows = order[: round(share * count)]
            other, shape = self.neighbours(side, joints[rows], weight[rows], scale[rows], rng)
            labelled = weight[rows, :, 0] > 0
            covered = at(shape[:, 0], joints[rows, :, :2]) & labelled
            behind = known[rows] & rng.chance(0.6, len(rows))
            before = ~behind & (covered.sum(1) <= MAX_COVERED * labelled.sum(1))
            own = mask[rows]
            seen = torch.where(behind[:, None, None, None], shape * (1 - own), shape)
            seen = seen * (behind | before)[:, None, None, None]
            hidden = (covered & before[:, None])[..., None]
            weight[rows] = torch.where(hidden, weight[rows] * COVERED_WEIGHT, weight[rows])
            mask[rows] = torch.where(before[:, None, None, None], own * (1 - shape), own)
            alone[rows] = blend(alone[rows], other, seen)
        return alone, weight

    def neighbours(
        self, side: int, joints: Tensor, weight: Tensor, scale: Tensor, rng: BatchRng
    ) -> tuple[Tensor, Tensor]:
        """A person of about the same size beside each of ``joints``, and its silhouette."""
        count = len(joints)
        people = self.cutout(rng.choice(self.people, count))
        size = BOX_IN_CROP * scale
        linear = similarity(
            scale * rng.normal(0.3, count).clamp(-0.7, 0.7).exp(),
            rng.normal(0.1, count),
            rng.sign(count),
        )
        low, high = extent(joints[..., :2], weight[..., 0] > 0)
        middle = torch.where(low < high, (low + high) / 2, side / 2)
        across = rng.sign(count) * rng.uniform(0.12, 0.7, count) * size
        there = middle + torch.stack((across, rng.normal(0.15, count) * size), 1)
        moved = warp(people, linear, there - linear.sum(2) * CENTRE, side)
        return moved[:, :3], moved[:, 3:]

    def replace(
        self, pictures: Tensor, weight: Tensor, shares: SceneShares, rng: BatchRng
    ) -> None:
        """Replace ``shares`` of the pictures (n, 3, side, side) and their weights, in place."""
        count, side = len(pictures), pictures.shape[-1]
        people, parts = round(shares.people * count), round(shares.parts * count)
        rows = rng.permutation(count)[: people + parts]
        pictures[rows[:people]] = self.scene_people(people, side, rng)
        pictures[rows[people:]] = self.scene_parts(parts, side, *PARTS, rng)
        weight[rows] = 0

    def backgrounds(self, count: int, side: int, rng: BatchRng) -> Tensor:
        """Parts of scenes and, of crops, all: (n, 3, side, side). Somebody may be in them."""
        of_crops = round(0.4 * count) if len(self.people) else 0
        chosen = rng.choice(self.people, of_crops) if of_crops else self.people[:0]
        crops = as_pictures(self.cutouts[chosen][..., :3])
        whole = torch.full((of_crops,), side / CROP_SIDE, device=crops.device)
        flat = torch.zeros_like(whole)
        shift = (whole[:, None] - 1).expand(-1, 2) / 2
        parts = [warp(crops, similarity(whole, flat, flat + 1), shift, side)]
        parts.append(self.scene_parts(count - of_crops, side, 0.4, 1, rng))
        return torch.cat(parts)

    def scene_parts(
        self, count: int, side: int, least: float, most: float, rng: BatchRng
    ) -> Tensor:
        """Squares of scenes, ``least`` to ``most`` of their shorter side: (n, 3, side, side)."""
        index = self._scene_indices(self.streets, len(self.scenes), count, rng)
        sizes = self.sizes[index].float()
        edge = sizes.amin(1) * rng.uniform(least, most, count)
        corner = (sizes - edge[:, None]) * rng.uniform(0, 1, count, 2)
        scale = side / edge
        flat = torch.zeros_like(scale)
        linear = similarity(scale, flat, flat + 1)
        return warp(as_pictures(self.scenes[index]), linear, -corner * scale[:, None], side)

    def scene_people(self, count: int, side: int, rng: BatchRng) -> Tensor:
        """People where they are, as a detector would crop them: (n, 3, side, side).

        Those of the scenes and those whom crops of somebody else show.
        """
        if not len(self.boxes):
            return self.scene_parts(count, side, *PARTS, rng)
        besides = round(BYSTANDER_SHARE * count) if len(self.bystanders) else 0
        index = self._scene_indices(self.box_streets, len(self.boxes), count - besides, rng)
        scenes = as_pictures(self.scenes[self.scene_of[index]])
        found = [box_crops(scenes, self.boxes[index], side, rng)]
        if besides:
            index = rng.integers(len(self.bystanders), besides)
            crops = as_pictures(self.cutouts[self.bystander_crop[index]][..., :3])
            found.append(box_crops(crops, self.bystanders[index], side, rng))
        return torch.cat(found)

    @staticmethod
    def _scene_indices(streets: int, total: int, count: int, rng: BatchRng) -> Tensor:
        """Indices, ``COCO_SHARE`` of them of COCO's, which are the last of ``total``."""
        if not 0 < streets < total:
            return rng.integers(total, count)
        of_streets, of_coco = rng.integers(streets, count), rng.integers(total - streets, count)
        return torch.where(rng.chance(COCO_SHARE, count), streets + of_coco, of_streets)


def box_crops(pictures: Tensor, boxes: Tensor, side: int, rng: BatchRng) -> Tensor:
    """Crops (n, 3, side, side) of pictures (n, 3, h, w) around boxes (n, 4), xyxy px, shaken."""
    count = len(boxes)
    low, high = boxes.split(2, 1)
    middle, longer = jitter_boxes((low + high) / 2, (high - low).amax(1), rng)
    angle = torch.deg2rad(rng.normal(12, count) * rng.chance(0.6, count))
    # A box's corners are edges of pixels, not middles.
    moved = centred(middle - 0.5, side / longer, angle, rng.sign(count), side)
    return warp(pictures, *moved, side)


def jitter_boxes(middle: Tensor, longer: Tensor, rng: BatchRng) -> tuple[Tensor, Tensor]:
    """The middle (n, 2) and the side (n,) of crops around boxes, as inexact as a detector's.

    Args:
        middle: (n, 2) of the boxes; longer: (n,) their longer sides, px.
    """
    longer = longer * ENLARGE * rng.uniform(*SCALES, len(longer))
    shake = rng.normal(0.05, len(longer), 2).clamp(-0.12, 0.12)
    return middle + shake * longer[:, None], longer


def confident_people(pool: Pool, kind: str, smallest: float) -> tuple[np.ndarray, np.ndarray]:
    """The boxes (n, 4) of people, xyxy px, and (n,) which picture each is in.

    Those of whom the labels are sure and whose longer side is ``smallest`` px or more.

    Args:
        pool: with the labels; kind: ``scenes`` or ``crops``.
    """
    boxes, offsets = pool.labels[f"{kind}_boxes"], pool.labels[f"{kind}_offsets"]
    picture = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    sure = pool.labels[f"{kind}_confidence"] >= SURE
    large = (boxes[:, 2:] - boxes[:, :2]).max(1, initial=0) >= smallest
    return boxes[sure & large].astype(np.float32), picture[sure & large]


def extent(points: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Least and greatest x, y of the known (n, k) of points (n, k, 2); inf, -inf of none."""
    far = torch.tensor(torch.inf, device=points.device)
    low = torch.where(known[..., None], points, far).amin(1)
    return low, torch.where(known[..., None], points, -far).amax(1)


def joints_in_silhouette(
    silhouettes: Tensor, joints: Tensor, weight: Tensor, indices: Tensor
) -> Tensor:
    """Whether nine tenths of the well known joints, and six at least, lie in a silhouette.

    Args:
        silhouettes: (n, h, w) uint8; joints: (n, k, 3), x, y in their px; weight: (n, k).
        indices: (m,) of those to look at.

    Returns:
        (m,) bool.
    """
    known = weight[indices] > 0.5
    inside = torch.cat(
        [at(silhouettes[i].float() / 255, joints[i, :, :2]) for i in indices.split(256)]
    )
    count = known.sum(1)
    return (count >= 6) & ((inside & known).sum(1) >= 0.9 * count)
