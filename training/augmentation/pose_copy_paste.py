"""Copy-paste for the pose network: other people and backgrounds in a person's crop.

People in COCO's images are rarely alone, those in the crops are. People are cut out of other
crops by their silhouettes, which ``python -m training.augmentation.silhouettes`` draws once, and
pasted beside, behind or in front of the crop's own person.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from training.augmentation.scene_crops import SceneCrops
from training.augmentation.warp import as_pictures, at, blend, similarity, warp
from training.common.data import BOX_IN_CROP, CROP_SIDE
from training.common.image_pool import Pool
from training.common.rng import BatchRng

# Shares of crops that get one at least, two at least, three other people.
PASTED = (0.5, 0.25, 0.1)
NEW_BACKGROUND = 0.2  # share of crops that get another background
MAX_COVERED = 0.4  # of the labelled joints, by a person in front
COVERED_WEIGHT = 0.5  # of a covered joint: where it is can only be guessed
CENTRE = CROP_SIDE / 2 - 0.5


class PoseCopyPaste:
    """Changes the background of crops and pastes other people into them.

    Args:
        cache: folder that ``training.build_cache`` filled.
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
        self.scene_crops = SceneCrops(Pool(cache), cutouts, indices)

    def cutout(self, indices: Tensor) -> Tensor:
        """Crops with their silhouettes, empty where unreliable: (n, 4, 256, 256) float."""
        found = as_pictures(self.cutouts[indices])
        found[:, 3] *= self.trusted[indices, None, None] / 255
        return found

    def paste(
        self, pictures: Tensor, joints: Tensor, weight: Tensor, scale: Tensor, rng: BatchRng
    ) -> tuple[Tensor, Tensor]:
        """Change backgrounds and paste people, each in its share of the crops.

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
        background = self.backgrounds(len(rows), side, rng)
        moved = blend(background, alone[rows], mask[rows])
        alone[rows] = torch.where(known[rows, None, None, None], moved, alone[rows])
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

    def backgrounds(self, count: int, side: int, rng: BatchRng) -> Tensor:
        """Whole crops and parts of scenes: (n, 3, side, side). People may be in them."""
        of_crops = round(0.4 * count) if len(self.people) else 0
        chosen = rng.choice(self.people, of_crops) if of_crops else self.people[:0]
        crops = as_pictures(self.cutouts[chosen][..., :3])
        whole = torch.full((of_crops,), side / CROP_SIDE, device=crops.device)
        flat = torch.zeros_like(whole)
        shift = (whole[:, None] - 1).expand(-1, 2) / 2
        parts = [warp(crops, similarity(whole, flat, flat + 1), shift, side)]
        parts.append(self.scene_crops.parts(count - of_crops, side, 0.4, 1, rng))
        return torch.cat(parts)


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
