"""Train the person detector.

    python -m training.train_detector --minutes 60 --out ../train/detector
    python -m training.train_detector --passes 100 --device cuda --batch 128 --workers 14

Starting again with the same ``--out`` resumes. The average of the weights is written there as
``last.pth`` and, after every evaluation, ``best.pth``; figures go to ``log.jsonl``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from pose_estimation_ros.engine.networks.convnextpose import read_state
from training import loop, trainer
from training.augment import compose, plain_scenes, whole_scene
from training.crowd import Crowd
from training.detector_loss import detector_loss
from training.detector_net import PersonDetector, start_from
from training.evaluate import DevSet, Predict, detector_figures
from training.imitation import Imitation, Teacher
from training.pool import Pool

SETTLE_BATCHES = 16
PASS = 16_000  # pictures; about as many as there are source images
Batch = tuple[Tensor, Tensor, Tensor]


class Pictures(IterableDataset[Batch]):
    """Endless batches; one side for all pictures of a batch.

    Args:
        cache: see ``training.data``.
        batch: pictures.
        sides: to draw from, px.
        seed: of everything random.
        whole: how many pictures, the first of a batch, are whole scenes; the others are composed.
        crops: share of person crops among the whole scenes.
        crowded: share of the whole scenes that people are put into.
    """

    def __init__(
        self, cache: Path, batch: int, sides: list[int], seed: int, whole: int, crops: float,
        crowded: float,
    ) -> None:  # fmt: skip
        self.cache, self.batch, self.sides, self.seed = cache, batch, sides, seed
        self.whole, self.crops, self.crowded = whole, crops, crowded

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(0)
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        pool = Pool(self.cache)
        crowd = Crowd(pool) if self.crowded else None
        while True:
            side = int(rng.choice(self.sides))
            pictures = []
            for _ in range(self.whole):
                joining = crowd if crowd and rng.random() < self.crowded else None
                pictures.append(whole_scene(pool, side, rng, crops=self.crops, crowd=joining))
            pictures += [compose(pool, side, rng) for _ in range(self.batch - self.whole)]
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


def predictor(network: torch.nn.Module, device: torch.device) -> Predict:
    """A function from an RGB picture to boxes and scores, for the evaluation."""

    @torch.no_grad()
    def predict(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, boxes = network(loop.normalise(torch.from_numpy(picture)[None], device))
        return boxes[0].cpu().numpy(), logits[0].float().sigmoid().cpu().numpy()

    return predict


def freeze(network: PersonDetector, stages: int) -> None:
    """Keep the stem and the first ``stages`` of the backbone as they are, statistics too."""
    for i in range(stages):
        for part in (network.backbone.downsample_layers[i], network.backbone.stages[i]):
            part.eval().requires_grad_(False)


@torch.no_grad()
def settle(network: PersonDetector, pool: Pool, seed: int, device: torch.device) -> None:
    """Measure the norms' statistics on whole scenes and keep them fixed from then on.

    Mosaics have other statistics than the frames that the detector is used on: with those of
    the mosaics it loses a sixth of its average precision.
    """
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    rng = np.random.default_rng(seed)
    for _ in range(SETTLE_BATCHES):
        scenes = plain_scenes(pool, 16, 320, rng)
        network(loop.normalise(torch.from_numpy(scenes), device))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.eval()


def train(options: argparse.Namespace) -> Path:
    """Train as ``options`` say; the path of the last checkpoint."""
    device = trainer.prepare(options)
    network = PersonDetector()
    if options.start:
        fitted = start_from(network, read_state(options.start))
        print(f"{fitted} tensors from {options.start}")
    training = trainer.Trainer(network, options, PASS, device)
    network.train()
    freeze(network, options.freeze)
    if options.settle:
        for part in (training.average.network, network):
            settle(part, Pool(options.cache), options.seed, device)

    whole = round(options.natural * options.batch)
    imitation = None
    if options.imitate:
        teacher = Teacher(options.shared / "models", device)
        imitation = Imitation(teacher)
        training.keep("adapters", imitation.adapters)

    def loss_of(batch: Batch) -> trainer.Loss:
        images, truth, kind = batch
        with loop.autocast(device):
            features = network.features(loop.normalise(images, device))
            logits, boxes = network.heads(features)
        size = (images.shape[1], images.shape[2])
        logits, truth, kind = logits.float(), truth.to(device), kind.to(device)
        if not imitation:
            return detector_loss(logits, boxes, truth, kind, size)
        # In mosaics the teacher misses people and sees some that are not there.
        few = slice(whole)
        loss, parts = imitation(
            *(images[few], logits[few], boxes[few], [maps[few] for maps in features]),
            *(truth[few], kind[few]),
        )
        if whole == options.batch:
            return loss, parts
        rest = slice(whole, None)
        more, labelled = detector_loss(logits[rest], boxes[rest], truth[rest], kind[rest], size)
        share = whole / options.batch
        parts |= {f"composed_{name}": value for name, value in labelled.items()}
        return share * loss + (1 - share) * more, parts

    def figures_of(average: PersonDetector, dev: DevSet) -> dict[str, float]:
        return detector_figures(predictor(average.eval(), device), dev)

    seed = options.seed + training.budget.step
    shares = (whole, options.whole_crops, options.crowd)
    pictures = Pictures(options.cache, options.batch, options.sides, seed, *shares)
    return training.run(pictures, loss_of, figures_of, "ap50")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    options = trainer.parser(str(__doc__), "detector", 32, f"{PASS} pictures")
    options.add_argument("--sides", type=int, nargs="+", default=[192, 224, 256, 288])
    options.add_argument("--natural", type=float, default=0.0, help="share of whole scenes")
    options.add_argument("--whole-crops", type=float, default=0.0, help="of them, of crops")
    options.add_argument(
        "--crowd", type=float, default=0.0, help="share of whole scenes that people are put into"
    )
    options.add_argument(
        "--settle", action="store_true", help="fix the norms' statistics to whole scenes'"
    )
    options.add_argument(
        "--imitate", action="store_true", help="learn a teacher's output on whole scenes"
    )
    options.add_argument("--freeze", type=int, default=0, help="stages kept as they start")
    found = trainer.read(options, argv)
    if found.imitate and not round(found.natural * found.batch):
        options.error("--imitate is for whole scenes: give --natural a share of them")
    return found


if __name__ == "__main__":
    train(arguments())
