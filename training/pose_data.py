"""Targets and augmented crops for the pose network.

Joints are COCO's 17. Where several sources label a joint: COCO's ground truth first; LSP's is
crowd-sourced, so it is averaged with the teacher where they agree within 0.12 of the box, and
taken alone, at a lower weight, where they do not; elsewhere the teacher, weighted by its
confidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from training.augment import colour
from training.company import CENTRE, Company, similarity
from training.data import BOX_IN_CROP, CROP_SIDE, ENLARGE, held_out

FLIP = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])
HIPS, KNEES, ELBOWS = (11, 12), (13, 14), (7, 8)
FACE_JOINTS = 5
AGREE = 0.12 * BOX_IN_CROP
Z_AGREE = 0.1 * BOX_IN_CROP
Z_COLUMN = 3
CUT_OFF = 0.35  # share of crops that show only a part of the person, as in COCO
Batch = tuple[Tensor, Tensor]


@dataclass
class Targets:
    """Joints of all crops.

    Attributes:
        joints: (n, 17, 3) x, y in crop px, z in metres from the mid-hip.
        weight: (n, 17) of x, y; 0 where unknown.
        weight_z: (n, 17) of z.
    """

    joints: np.ndarray
    weight: np.ndarray
    weight_z: np.ndarray


def build_targets(labels: dict[str, np.ndarray]) -> Targets:
    """Targets from the arrays of ``person_crops_labels.npz``."""
    truth, teacher, world = labels["ground_truth"], labels["teacher"], labels["world"]
    is_coco = (labels["source"] == "coco")[:, None]
    labelled = truth[..., 2] > 0
    confidence = np.clip(teacher[..., 2], 0, 1)
    distance = np.linalg.norm(truth[..., :2] - teacher[..., :2], axis=-1)
    agree = labelled & ~is_coco & (distance < AGREE)
    differ = labelled & ~is_coco & ~agree
    xy = teacher[..., :2].copy()
    floor = np.full(17, 0.2)
    floor[:FACE_JOINTS] = 0.4
    weight = np.where(confidence > floor, confidence, 0.0)
    middle = 0.4 * truth[..., :2] + 0.6 * teacher[..., :2]
    xy = np.where(agree[..., None], middle, xy)
    weight = np.where(agree, 1.0, weight)
    xy = np.where((differ | labelled & is_coco)[..., None], truth[..., :2], xy)
    weight = np.where(differ, np.where(confidence > 0.3, 0.4, 0.7), weight)
    weight = np.where(labelled & is_coco, 1.0, weight)
    weight = np.where(np.isfinite(xy).all(-1), weight, 0.0)

    z = world[..., Z_COLUMN] - world[:, HIPS, Z_COLUMN].mean(axis=1, keepdims=True)
    near = np.linalg.norm(world[..., :2] - xy, axis=-1) < Z_AGREE
    weight_z = (np.isfinite(z) & near & (weight > 0)).astype(np.float32)
    joints = np.concatenate((xy, z[..., None]), axis=-1)
    return Targets(np.nan_to_num(joints).astype(np.float32), weight.astype(np.float32), weight_z)


def cut_off(
    image: np.ndarray, joints: np.ndarray, weight: np.ndarray, other: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:  # fmt: skip
    """Part of a person, as where a frame ends or a table hides the rest.

    Args:
        image: (256, 256, 3) stored crop, or 4 with its silhouette; other: (256, 256, 3) one of
            somebody else, for what hides it.
        joints: (17, 3); weight: (17, 2) of xy and of z.

    Returns:
        The picture with what lies beyond the cut black or hidden, the weights, 0 beyond it,
        and the corners of the box around what is left; None where too few joints are left.
    """
    across = rng.random() < 0.2  # a cut to the left or right rather than above or below
    axis = 0 if across else 1
    seen = weight[:, 0] > 0
    if across:
        keep_low = rng.random() < 0.5
        line = CROP_SIDE / 2 + rng.normal(0, 0.12) * BOX_IN_CROP
    else:
        keep_low = rng.random() < 0.8  # the upper body
        pair = rng.choice((HIPS, KNEES, ELBOWS), p=(0.5, 0.3, 0.2)) if keep_low else HIPS
        known = [int(j) for j in pair if seen[j]]
        if not known:
            return None
        line = joints[known, 1].mean() + rng.uniform(-0.06, 0.1) * BOX_IN_CROP
    line = round(float(np.clip(line, 40, CROP_SIDE - 40)))
    left = seen & ((joints[:, axis] < line) == keep_low)
    if left.sum() < 4:
        return None
    low, high = joints[left, :2].min(0), joints[left, :2].max(0)
    margin = 0.12 * (high - low).max()
    low, high = low - margin, high + margin
    picture = image.copy()
    beyond = slice(line, None) if keep_low else slice(None, line)
    region = picture[:, beyond] if across else picture[beyond]
    kind = rng.random()
    if kind < 0.5:
        region[:] = 0
    elif kind < 0.8:
        region[..., :3] = other[:, beyond] if across else other[beyond]
        region[..., 3:] = 0
    # Else only the crop is narrower: the frame goes on.
    (high if keep_low else low)[axis] = line
    return picture, weight * left[:, None], low, high


def augment(
    image: np.ndarray, joints: np.ndarray, weight: np.ndarray, side: int,
    rng: np.random.Generator, other: np.ndarray, company: Company | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Cut off a part, scale, shift, rotate, flip, other people and places, colour, patches.

    Args:
        image: (256, 256, 3) stored crop, or 4 with its silhouette, which ``company`` needs.
        joints: (17, 3); weight: (17, 2) of xy and of z.
        side: px of the result.
        other: another stored crop, to hide parts of this one with.
        company: of whom to add others; None for nobody.

    Returns:
        Picture (side, side, 3), joints with x, y in its px, and weights, 0 outside it.
    """
    centre = CENTRE
    extent = BOX_IN_CROP * ENLARGE
    if rng.random() < CUT_OFF:
        part = cut_off(image, joints, weight, other, rng)
        if part is not None:
            image, weight, low, high = part
            centre = (low + high) / 2
            extent = max(ENLARGE * float((high - low).max()), 0.35 * extent)
    extent *= rng.uniform(0.82, 1.3)
    centre = centre + rng.normal(0, 0.05, 2).clip(-0.12, 0.12) * extent
    angle = rng.uniform(-180, 180) if rng.random() < 0.03 else rng.normal(0, 15)
    angle = np.deg2rad(angle if rng.random() < 0.7 else 0.0)
    scale = side / extent
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    linear = similarity(scale, angle, mirror)
    shift = (side - 1) / 2 - linear @ centre
    matrix = np.concatenate((linear, shift[:, None]), axis=1)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.25 else cv2.BORDER_CONSTANT
    picture = cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border
    )
    moved = joints.copy()
    moved[:, :2] = joints[:, :2] @ linear.T + shift
    if mirror < 0:
        moved, weight = moved[FLIP], weight[FLIP]
    if company is not None:
        picture, weight = company.join(picture, moved, weight, scale, rng)
    picture = colour(picture, rng)
    if rng.random() < 0.25:
        picture = np.ascontiguousarray(picture)
        w, h = (int(v) for v in rng.uniform(0.08, 0.35, 2) * side)
        x, y = int(rng.integers(0, side - w)), int(rng.integers(0, side - h))
        patch = other[y : y + h, x : x + w] if rng.random() < 0.6 else rng.integers(0, 256, 3)
        picture[y : y + h, x : x + w] = patch
    inside = ((moved[:, :2] >= 0) & (moved[:, :2] <= side - 1)).all(-1, keepdims=True)
    return picture, moved, weight * inside


class Crops(IterableDataset[Batch]):
    """Endless shuffled batches of augmented training crops; never the held-out ones.

    Yields images uint8 (n, side, side, 3) and targets (n, 17, 5): x, y in [0, 1] of the crop,
    z in [0, 1] of the volume, and the weights of xy and z.
    """

    def __init__(
        self,
        cache: Path,
        shared: Path,
        batch: int,
        side: int,
        seed: int,
        accompanied: bool = False,
    ) -> None:
        self.cache, self.batch, self.side, self.seed = cache, batch, side, seed
        labels = np.load(shared / "data" / "person_crops_labels.npz")
        self.targets = build_targets({name: labels[name] for name in labels})
        usable = (self.targets.weight > 0).sum(1) >= 5
        self.indices = np.flatnonzero(usable & ~held_out(len(usable)))
        # COCO's few exact labels are what the network is measured on: show them more often.
        coco = np.flatnonzero((labels["source"] == "coco")[self.indices])
        self.indices = np.concatenate((self.indices, np.repeat(self.indices[coco], 3)))
        self.company = (
            Company(cache, self.targets.joints, self.targets.weight, self.indices)
            if accompanied
            else None
        )

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(0)
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        crops = np.load(self.cache / "crops.npy", mmap_mode="r")
        targets, company = self.targets, self.company
        order: list[int] = []
        while True:
            pictures, rows = [], []
            for _ in range(self.batch):
                if not order:
                    order = rng.permutation(self.indices).tolist()
                index = order.pop()
                weights = np.stack((targets.weight[index], targets.weight_z[index]), axis=-1)
                other = crops[rng.choice(self.indices)]
                picture, joints, weights = augment(
                    company.cutout(index) if company else crops[index],
                    targets.joints[index], weights, self.side, rng, other, company,
                )  # fmt: skip
                xy = (joints[:, :2] + 0.5) / self.side
                z = (joints[:, 2:] + 1) / 2
                weights[:, 1] *= (np.abs(joints[:, 2]) < 1) & (weights[:, 0] > 0)
                pictures.append(picture)
                rows.append(np.concatenate((xy, z, weights), axis=-1))
            yield (
                torch.from_numpy(np.stack(pictures)),
                torch.from_numpy(np.stack(rows).astype(np.float32)),
            )
