"""Other people and places in persons' crops: COCO's people are rarely alone, the crops' are.

People are cut out of other crops by their silhouettes, which ``python -m training.silhouettes``
draws once, and put beside, behind or in front of the person whom a crop is about.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.data import BOX_IN_CROP, CROP_SIDE, ENLARGE
from training.draw import Draw
from training.pool import SURE, Pool
from training.warp import as_pictures, at, blend, centred, similarity, warp

CUTOUTS = "cutouts.npy"  # (n, 256, 256, 4): the crops with their silhouettes
PARTS = 0.12, 0.7  # of the scene's shorter side, of any part
SCALES = 0.82, 1.3  # how large a crop is, by what it is at runtime
# Shares of crops that get one at least, two at least, three others.
ACCOMPANIED = (0.5, 0.25, 0.1)
ELSEWHERE = 0.2  # share of crops that get another background
MOST_COVERED = 0.4  # of the labelled joints, by somebody in front
COVERED_WEIGHT = 0.5  # of a covered joint: where it is can only be guessed
CENTRE = CROP_SIDE / 2 - 0.5
COCO_SHARE = 0.6  # of what is drawn from scenes: COCO's are few, but the streets are alike
LEAST_PERSON = 36  # px of the longer side of the box, in a scene of 448 px
# Others in a crop of somebody: px of the longer side, px off its middle, share of those drawn.
LEAST_OTHER, OTHER_AWAY, BESIDES = 60, 40, 0.4


def open_drawn(path: Path) -> np.ndarray:
    """What ``training.silhouettes`` wrote.

    Raises:
        FileNotFoundError: it did not.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run python -m training.silhouettes first")
    found: np.ndarray = np.load(path, mmap_mode="c")  # torch wants what it could write to
    return found


class Shares(NamedTuple):
    """How many of the crops show something else, without labels, out of scenes.

    Attributes:
        people: a person and what is around it.
        parts: any part, with people or without.
    """

    people: float = 0.0
    parts: float = 0.0


NOTHING_ELSE = Shares()


class Company:
    """What may be added to crops.

    Args:
        cache: of ``training.data``.
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
        self.trusted[indices] = holds(cutouts[..., 3], joints, weight, indices)
        self.people = self.trusted.nonzero()[:, 0]
        pool = Pool(cache)
        self.scenes = torch.from_numpy(pool.scenes).to(device)
        self.sizes = torch.from_numpy(pool.labels["scenes_sizes"]).to(device)
        self.streets = pool.streets
        boxes, scene_of = people_in(pool, "scenes", LEAST_PERSON)
        self.boxes, self.scene_of = (torch.from_numpy(a).to(device) for a in (boxes, scene_of))
        self.box_streets = int((self.scene_of < self.streets).sum())
        boxes, crop_of = people_in(pool, "crops", LEAST_OTHER)
        away = np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - CROP_SIDE / 2).max(1, initial=0)
        other = (away > OTHER_AWAY) & np.isin(crop_of, indices.cpu().numpy())
        self.others, self.other_of = (
            torch.from_numpy(a[other]).to(device) for a in (boxes, crop_of)
        )

    def cutout(self, indices: Tensor) -> Tensor:
        """Crops with their silhouettes, empty where not to be trusted: (n, 4, 256, 256) float."""
        found = as_pictures(self.cutouts[indices])
        found[:, 3] *= self.trusted[indices, None, None] / 255
        return found

    def join(
        self, pictures: Tensor, joints: Tensor, weight: Tensor, scale: Tensor, draw: Draw
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
        rows = draw.rows(count)[: round(ELSEWHERE * count)]
        where = self.place(len(rows), side, draw)
        there = blend(where, alone[rows], mask[rows])
        alone[rows] = torch.where(known[rows, None, None, None], there, alone[rows])
        order = draw.rows(count)
        for share in ACCOMPANIED if len(self.people) else ():
            rows = order[: round(share * count)]
            other, shape = self.somebody(side, joints[rows], weight[rows], scale[rows], draw)
            labelled = weight[rows, :, 0] > 0
            covered = at(shape[:, 0], joints[rows, :, :2]) & labelled
            behind = known[rows] & draw.chance(0.6, len(rows))
            before = ~behind & (covered.sum(1) <= MOST_COVERED * labelled.sum(1))
            own = mask[rows]
            seen = torch.where(behind[:, None, None, None], shape * (1 - own), shape)
            seen = seen * (behind | before)[:, None, None, None]
            hidden = (covered & before[:, None])[..., None]
            weight[rows] = torch.where(hidden, weight[rows] * COVERED_WEIGHT, weight[rows])
            mask[rows] = torch.where(before[:, None, None, None], own * (1 - shape), own)
            alone[rows] = blend(alone[rows], other, seen)
        return alone, weight

    def somebody(
        self, side: int, joints: Tensor, weight: Tensor, scale: Tensor, draw: Draw
    ) -> tuple[Tensor, Tensor]:
        """A person of about the same size beside each of ``joints``, and its silhouette."""
        count = len(joints)
        people = self.cutout(draw.of(self.people, count))
        size = BOX_IN_CROP * scale
        linear = similarity(
            scale * draw.normal(0.3, count).clamp(-0.7, 0.7).exp(),
            draw.normal(0.1, count),
            draw.sign(count),
        )
        low, high = extent(joints[..., :2], weight[..., 0] > 0)
        middle = torch.where(low < high, (low + high) / 2, side / 2)
        across = draw.sign(count) * draw.uniform(0.12, 0.7, count) * size
        there = middle + torch.stack((across, draw.normal(0.15, count) * size), 1)
        moved = warp(people, linear, there - linear.sum(2) * CENTRE, side)
        return moved[:, :3], moved[:, 3:]

    def instead(self, pictures: Tensor, weight: Tensor, shares: Shares, draw: Draw) -> None:
        """Replace ``shares`` of the pictures (n, 3, side, side) and their weights, in place."""
        count, side = len(pictures), pictures.shape[-1]
        people, parts = round(shares.people * count), round(shares.parts * count)
        rows = draw.rows(count)[: people + parts]
        pictures[rows[:people]] = self.somewhere(people, side, draw)
        pictures[rows[people:]] = self.part(parts, side, *PARTS, draw)
        weight[rows] = 0

    def place(self, count: int, side: int, draw: Draw) -> Tensor:
        """Parts of scenes and, of crops, all: (n, 3, side, side). Somebody may be in them."""
        of_crops = round(0.4 * count) if len(self.people) else 0
        chosen = draw.of(self.people, of_crops) if of_crops else self.people[:0]
        crops = as_pictures(self.cutouts[chosen][..., :3])
        whole = torch.full((of_crops,), side / CROP_SIDE, device=crops.device)
        flat = torch.zeros_like(whole)
        shift = (whole[:, None] - 1).expand(-1, 2) / 2
        parts = [warp(crops, similarity(whole, flat, flat + 1), shift, side)]
        parts.append(self.part(count - of_crops, side, 0.4, 1, draw))
        return torch.cat(parts)

    def part(self, count: int, side: int, least: float, most: float, draw: Draw) -> Tensor:
        """Squares of scenes, ``least`` to ``most`` of their shorter side: (n, 3, side, side)."""
        index = self._any(self.streets, len(self.scenes), count, draw)
        sizes = self.sizes[index].float()
        edge = sizes.amin(1) * draw.uniform(least, most, count)
        corner = (sizes - edge[:, None]) * draw.uniform(0, 1, count, 2)
        scale = side / edge
        flat = torch.zeros_like(scale)
        linear = similarity(scale, flat, flat + 1)
        return warp(as_pictures(self.scenes[index]), linear, -corner * scale[:, None], side)

    def somewhere(self, count: int, side: int, draw: Draw) -> Tensor:
        """People where they are, as a detector would crop them: (n, 3, side, side).

        Those of the scenes and those whom crops of somebody else show.
        """
        if not len(self.boxes):
            return self.part(count, side, *PARTS, draw)
        besides = round(BESIDES * count) if len(self.others) else 0
        index = self._any(self.box_streets, len(self.boxes), count - besides, draw)
        scenes = as_pictures(self.scenes[self.scene_of[index]])
        found = [around(scenes, self.boxes[index], side, draw)]
        if besides:
            index = draw.below(len(self.others), besides)
            crops = as_pictures(self.cutouts[self.other_of[index]][..., :3])
            found.append(around(crops, self.others[index], side, draw))
        return torch.cat(found)

    @staticmethod
    def _any(streets: int, total: int, count: int, draw: Draw) -> Tensor:
        """Indices, ``COCO_SHARE`` of them of COCO's, which are the last of ``total``."""
        if not 0 < streets < total:
            return draw.below(total, count)
        of_streets, of_coco = draw.below(streets, count), draw.below(total - streets, count)
        return torch.where(draw.chance(COCO_SHARE, count), streets + of_coco, of_streets)


def around(pictures: Tensor, boxes: Tensor, side: int, draw: Draw) -> Tensor:
    """Crops (n, 3, side, side) of pictures (n, 3, h, w) around boxes (n, 4), xyxy px, shaken."""
    count = len(boxes)
    low, high = boxes.split(2, 1)
    middle, longer = shaken((low + high) / 2, (high - low).amax(1), draw)
    angle = torch.deg2rad(draw.normal(12, count) * draw.chance(0.6, count))
    # A box's corners are edges of pixels, not middles.
    moved = centred(middle - 0.5, side / longer, angle, draw.sign(count), side)
    return warp(pictures, *moved, side)


def shaken(middle: Tensor, longer: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """The middle (n, 2) and the side (n,) of crops around boxes, as inexact as a detector's.

    Args:
        middle: (n, 2) of the boxes; longer: (n,) their longer sides, px.
    """
    longer = longer * ENLARGE * draw.uniform(*SCALES, len(longer))
    shake = draw.normal(0.05, len(longer), 2).clamp(-0.12, 0.12)
    return middle + shake * longer[:, None], longer


def people_in(pool: Pool, kind: str, smallest: float) -> tuple[np.ndarray, np.ndarray]:
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


def holds(silhouettes: Tensor, joints: Tensor, weight: Tensor, indices: Tensor) -> Tensor:
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
