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

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from training.augmentation.pose import augment
from training.augmentation.pose_copy_paste import PoseCopyPaste
from training.augmentation.scene_crops import NO_SCENES, SceneShares
from training.augmentation.silhouettes import CUTOUTS, open_cutouts
from training.augmentation.warp import as_pictures
from training.common.data import BOX_IN_CROP, held_out
from training.common.rng import BatchRng

HIPS = (11, 12)
FACE_JOINTS = 5
AGREE = 0.12 * BOX_IN_CROP
Z_AGREE = 0.1 * BOX_IN_CROP
Z_COLUMN = 3
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


class Crops(IterableDataset[Batch]):
    """Endless shuffled batches of augmented training crops; never the held-out ones.

    Yields images uint8 (n, side, side, 3) and targets (n, 17, 5): x, y in [0, 1] of the crop,
    z in [0, 1] of the volume, and the weights of xy and z.

    Args:
        cache: see ``training.build_cache``; shared: the data folder.
        batch: crops of each.
        side: px of the crops.
        seed: of everything random.
        copy_paste: paste people and backgrounds, see ``augmentation.pose_copy_paste``.
        device: to make them on. A GPU holds all crops, 4 GB, and makes a batch in a moment; on
            the CPU another process makes them.
        shares: of the crops that are replaced by crops out of scenes; with ``copy_paste`` only.
    """

    def __init__(
        self,
        cache: Path,
        shared: Path,
        batch: int,
        side: int,
        seed: int,
        copy_paste: bool = False,
        device: torch.device | None = None,
        shares: SceneShares = NO_SCENES,
    ) -> None:
        self.cache, self.batch, self.side, self.seed = cache, batch, side, seed
        self.device = device or torch.device("cpu")
        self.copy_paste, self.shares = copy_paste, shares
        labels = np.load(shared / "data" / "person_crops_labels.npz")
        self.targets = build_targets({name: labels[name] for name in labels})
        usable = (self.targets.weight > 0).sum(1) >= 5
        self.indices = np.flatnonzero(usable & ~held_out(len(usable)))
        # COCO's few exact labels are what the network is measured on: show them more often.
        coco = np.flatnonzero((labels["source"] == "coco")[self.indices])
        self.indices = np.concatenate((self.indices, np.repeat(self.indices[coco], 3)))

    @property
    def on_device(self) -> bool:
        """Whether the batches are made where they are used."""
        return self.device.type != "cpu"

    def __iter__(self) -> Iterator[Batch]:
        worker, device = get_worker_info(), self.device
        rng = BatchRng(self.seed + 1000 * (worker.id if worker else 0), device)
        joints = torch.from_numpy(self.targets.joints).to(device)
        weights = np.stack((self.targets.weight, self.targets.weight_z), axis=-1)
        weight = torch.from_numpy(weights).to(device)
        indices = torch.from_numpy(self.indices).to(device)
        copy_paste = None
        if self.copy_paste:
            stored = torch.from_numpy(open_cutouts(self.cache / CUTOUTS)).to(device)
            copy_paste = PoseCopyPaste(self.cache, stored, joints, weight[..., 0], indices)
        else:
            stored = torch.from_numpy(np.load(self.cache / "crops.npy", mmap_mode="c")).to(device)
        order = indices[:0]
        while True:
            while len(order) < self.batch:
                order = torch.cat((order, indices[rng.permutation(len(indices))]))
            chosen, order = order[: self.batch], order[self.batch :]
            if copy_paste:
                pictures = copy_paste.cutout(chosen)
            else:
                pictures = as_pictures(stored[chosen])
                pictures = torch.cat((pictures, torch.zeros_like(pictures[:, :1])), 1)
            others = as_pictures(stored[rng.choice(indices, self.batch)][..., :3])
            pictures, moved, given = augment(
                pictures,
                joints[chosen],
                weight[chosen],
                self.side,
                others,
                rng,
                copy_paste,
                self.shares,
            )
            xy = (moved[..., :2] + 0.5) / self.side
            z = (moved[..., 2:] + 1) / 2
            near = (moved[..., 2] > -1) & (moved[..., 2] < 1) & (given[..., 0] > 0)
            given = torch.stack((given[..., 0], given[..., 1] * near), 2)
            images = pictures.round().byte().permute(0, 2, 3, 1)
            yield images, torch.cat((xy, z, given), 2)
