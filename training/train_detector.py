"""Train the person detector.

    python -m training.train_detector --minutes 60 --out ../train/detector
    python -m training.train_detector --passes 100 --device cuda --batch 128 --workers 14

Starting again with the same ``--out`` resumes. The average of the weights is written there as
``last.pth`` and, after every evaluation, ``best.pth``; figures go to ``log.jsonl``.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pose_estimation_ros.engine.pose.convnext import read_state
from training import depthwise, loop
from training.augment import Pool, compose, whole_scene
from training.data import default_cache, default_shared
from training.detector_loss import detector_loss
from training.detector_net import PersonDetector, start_from
from training.evaluate import Predict, detector_figures, dev_set

SETTLE_BATCHES = 16
PASS = 16_000  # pictures; about as many as there are source images
Batch = tuple[Tensor, Tensor, Tensor]


class Pictures(IterableDataset[Batch]):
    """Endless batches of composed pictures; one side for all pictures of a batch."""

    def __init__(
        self, cache: Path, batch: int, sides: list[int], seed: int, natural: float
    ) -> None:
        self.cache, self.batch, self.sides, self.seed = cache, batch, sides, seed
        self.natural = natural

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(0)
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        pool = Pool(self.cache)
        while True:
            side = int(rng.choice(self.sides))
            yield collate([compose(pool, side, rng, self.natural) for _ in range(self.batch)])


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
        scenes = np.stack([whole_scene(pool, 320, rng, plain=True)[0] for _ in range(16)])
        network(loop.normalise(torch.from_numpy(scenes), device))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.eval()


def train(options: argparse.Namespace) -> Path:
    """Train as ``options`` say; the path of the last checkpoint."""
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(options.threads)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    network = PersonDetector()
    if options.start:
        fitted = start_from(network, read_state(options.start))
        print(f"{fitted} tensors from {options.start}")
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = loop.Average(network, options.average)
    if device.type == "cpu":
        # After the average copied the network, as the copy must not share the replacement.
        depthwise.speed_up(network)
    optim = loop.optimiser(network, options.rate, options.decay)
    steps = options.steps or (options.passes and int(options.passes * PASS / options.batch))
    budget = loop.Budget(steps or None, options.minutes)
    if loop.resume(out / "last.pth", network, average, optim, budget):
        print(f"resumed at step {budget.step}, progress {budget.progress:.3f}")
    log = loop.Log(out / "log.jsonl")
    dev = dev_set(options.shared) if options.evaluate_minutes else []
    pictures = Pictures(
        options.cache, options.batch, options.sides, options.seed + budget.step, options.natural
    )
    loader = DataLoader(
        pictures, batch_size=None, num_workers=options.workers, pin_memory=device.type == "cuda"
    )
    best, evaluated = 0.0, time.monotonic()
    parts_sum: dict[str, float] = {}
    stop = loop.Stop()
    network.train()
    freeze(network, options.freeze)
    if options.settle:
        for part in (average.network, network):
            settle(part, Pool(options.cache), options.seed, device)
    for images, truth, kind in loader:
        loop.set_rate(optim, options.rate * loop.rate_factor(budget))
        with loop.autocast(device):
            logits, boxes = network(loop.normalise(images, device))
        loss, parts = detector_loss(
            logits.float(), boxes, truth.to(device), kind.to(device), tuple(images.shape[1:3])
        )
        optim.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optim.step()
        average.update(network)
        budget.tick()
        for name, value in parts.items():
            parts_sum[name] = parts_sum.get(name, 0.0) + value / options.log_every
        if budget.step % options.log_every == 0:
            rate = budget.step * options.batch / budget.spent_s
            log.write(step=budget.step, progress=budget.progress, per_s=rate, **parts_sum)
            parts_sum = {}
        over = budget.progress >= 1 or stop.asked
        due = time.monotonic() - evaluated > 60 * options.evaluate_minutes
        if over or (due and dev):
            if dev and not stop.asked:
                average.network.eval()
                figures = detector_figures(predictor(average.network, device), dev)
                log.write(step=budget.step, **figures)
                if figures["ap50"] > best:
                    best = figures["ap50"]
                    loop.save_checkpoint(out / "best.pth", network, average, optim, budget)
            loop.save_checkpoint(out / "last.pth", network, average, optim, budget)
            evaluated = time.monotonic()
        if over:
            break
    return out / "last.pth"


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=default_cache().parent / "detector")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="see training.data")
    parser.add_argument("--shared", type=Path, default=default_shared())
    parser.add_argument(
        "--start", type=Path, help="checkpoint to start from, see detector_net.start_from"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="torch threads on the CPU")
    parser.add_argument("--workers", type=int, default=1, help="processes composing pictures")
    parser.add_argument("--passes", type=float, help=f"passes of {PASS} pictures")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float, help="wall-clock budget, resumed parts included")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--sides", type=int, nargs="+", default=[224, 256, 256, 288, 320])
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.03)
    parser.add_argument("--average", type=float, default=0.998)
    parser.add_argument("--natural", type=float, default=0.0, help="share of whole scenes")
    parser.add_argument(
        "--settle", action="store_true", help="fix the norms' statistics to whole scenes'"
    )
    parser.add_argument("--freeze", type=int, default=0, help="stages kept as they start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--evaluate-minutes", type=float, default=8, help="0: never")
    options = parser.parse_args(argv)
    if not (options.passes or options.steps or options.minutes):
        options.passes = 100.0
    return options


if __name__ == "__main__":
    train(arguments())
