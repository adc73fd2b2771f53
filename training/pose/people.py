"""Batches of people cut out of whole pictures, with labels and an offline teacher's joints.

Packs are what ``training.build_people`` wrote. COCO's labels come first; where there is none the
teacher's joint is taken, if it is sure of it and its answers agree. A joint that neither knows of,
or that the crop does not show, is absent: its marginal is to be flat, so that its score is low.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from training.augmentation.pose_cpu import Sample, augment
from training.common.data import BOX_IN_CROP, held_out
from training.pose.dataset import build_targets

MIN_PEAK = 0.3  # of the teacher's heatmap, for its joint to be a target
NO_PEAK = 0.15  # below it, and without a label, there is no joint
MAX_SPREAD = 0.06 * BOX_IN_CROP  # px between its answers
MIN_KNOWN = 4  # joints of a person that is shown
# Of a batch. The person crops have the labels of depth.
SHARES = {
    "coco_train": 0.13,
    "coco_more": 0.34,
    "everyday": 0.18,
    "more": 0.07,
    "pose_extra": 0.03,
    "crops": 0.17,
    "empty": 0.04,
    "nobody": 0.04,
}
NOBODY = ("empty", "nobody")  # packs without people
Batch = tuple[Tensor, Tensor]


@dataclass
class Pack:
    """Crops with their targets.

    Attributes:
        crops: (n, 256, 256, 3) uint8 RGB.
        joints: (n, 17, 3) x, y in px of the crop, z in metres from the mid-hip.
        weight: (n, 17, 3) of x, y, of z, and whether the joint is absent.
        indices: (m,) of the crops to show.
    """

    crops: np.ndarray
    joints: np.ndarray
    weight: np.ndarray
    indices: np.ndarray


def merge_labels(
    truth: np.ndarray, teacher: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One target a joint.

    Args:
        truth: (n, 17, 3) x, y and visibility, 0 where not annotated.
        teacher: (n, 17, 3) x, y and peak; spread: (n, 17) px between its answers.

    Returns:
        Joints (n, 17, 3), z 0, and weights (n, 17, 3) of x, y, of z, and absent.
    """
    labelled, peak = truth[..., 2] > 0, teacher[..., 2].clip(0, 1)
    # An annotated person's other joints are hidden or out of the picture.
    sure = (peak >= MIN_PEAK) & (spread <= MAX_SPREAD) & ~labelled
    xy = np.where(labelled[..., None], truth[..., :2], teacher[..., :2])
    weight = np.where(labelled, 1.0, np.where(sure, peak, 0.0))
    absent = ~labelled & (peak < NO_PEAK)
    joints = np.concatenate((xy, np.zeros_like(xy[..., :1])), -1)
    weights = np.stack((weight, np.zeros_like(weight), absent), -1)
    return np.nan_to_num(joints).astype(np.float32), weights.astype(np.float32)


def read_pack(cache: Path, name: str) -> Pack:
    """A pack of ``training.build_people``."""
    crops = np.load(cache / f"{name}_crops.npy", mmap_mode="r")
    if name in NOBODY:
        joints = np.zeros((len(crops), 17, 3), np.float32)
        weight = np.zeros_like(joints)
        weight[..., 2] = 1
        return Pack(crops, joints, weight, np.arange(len(crops)))
    labels = np.load(cache / f"{name}_labels.npz")
    joints, weight = merge_labels(labels["truth"], labels["teacher"], labels["spread"])
    known = (weight[..., 0] > 0).sum(1) >= MIN_KNOWN
    return Pack(crops, joints, weight, np.flatnonzero(known))


def read_person_crops(cache: Path, shared: Path) -> Pack:
    """The labelled person crops, never those that are held out."""
    labels = np.load(shared / "data" / "person_crops_labels.npz")
    targets = build_targets({name: labels[name] for name in labels})
    usable = ((targets.weight > 0).sum(1) >= MIN_KNOWN + 1) & ~held_out(len(targets.weight))
    columns = targets.weight, targets.weight_z, np.zeros_like(targets.weight)
    return Pack(
        np.load(cache / "crops.npy", mmap_mode="r"),
        targets.joints,
        np.stack(columns, -1).astype(np.float32),
        np.flatnonzero(usable),
    )


class PeopleCrops(IterableDataset[Batch]):
    """Endless augmented batches with a fixed share of every pack.

    Yields images uint8 (n, side, side, 3) and targets (n, 17, 6): x, y in [0, 1] of the crop, z in
    [0, 1] of the volume, the weights of xy and z, and 1 where the joint is absent.

    Args:
        packs: by name, those of ``SHARES`` that are there.
        batch: crops of each; side: px of the crops; seed: of everything random.
        strength: of the augmentation, see ``augmentation.pose_cpu``.
    """

    def __init__(
        self, packs: Mapping[str, Pack], batch: int, side: int, seed: int, strength: float = 1.0
    ) -> None:
        self.packs, self.batch, self.side, self.seed = packs, batch, side, seed
        self.strength = strength
        total = sum(SHARES[name] for name in packs)
        ends = np.cumsum([SHARES[name] / total for name in packs]) * batch
        self.counts = np.diff(np.round(ends).astype(int), prepend=0).tolist()

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        orders = [np.empty(0, int) for _ in self.packs]
        while True:
            chosen = []
            for number, (pack, count) in enumerate(
                zip(self.packs.values(), self.counts, strict=True)
            ):
                while len(orders[number]) < count:
                    orders[number] = np.r_[orders[number], rng.permutation(pack.indices)]
                chosen += [(pack, index) for index in orders[number][:count]]
                orders[number] = orders[number][count:]
            yield self._make(chosen, rng)

    def _make(self, chosen: list[tuple[Pack, int]], rng: np.random.Generator) -> Batch:
        stored = [pack.crops[index] for pack, index in chosen]
        images = np.empty((len(chosen), self.side, self.side, 3), np.uint8)
        targets = np.empty((len(chosen), 17, 6), np.float32)
        for row, (pack, index) in enumerate(chosen):
            sample = Sample(stored[row], pack.joints[index], pack.weight[index])
            other = stored[int(rng.integers(len(stored)))]
            sample = augment(sample, other, self.side, rng, self.strength)
            images[row] = sample.image
            targets[row, :, :2] = (sample.joints[:, :2] + 0.5) / self.side
            targets[row, :, 2] = (sample.joints[:, 2] + 1) / 2
            targets[row, :, 3:] = sample.weight
            targets[row, :, 4] *= (np.abs(sample.joints[:, 2]) < 1) & (sample.weight[:, 0] > 0)
        return torch.from_numpy(images), torch.from_numpy(targets)
