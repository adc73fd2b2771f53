"""Train the person detector.

    python -m training.detector.train training/recipes/detector_1_scenes.yaml
    python -m training.detector.train training/recipes/detector_1_scenes.yaml --minutes 60

Starting again with the same ``out`` resumes. The average of the weights is written there as
``last.pth`` and, after every evaluation, ``best.pth``; figures go to ``log.jsonl``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from pose_estimation_ros.engine.networks.convnextpose import read_state
from training.augmentation.detector import plain_scenes
from training.common.device import autocast, normalise
from training.common.image_pool import Pool
from training.common.loop import Loss, Trainer, prepare
from training.common.metrics import DevSet, Predict, detector_figures
from training.common.options import add_switch, build_parser, parse_options
from training.detector.dataset import EPOCH, Batch, Pictures
from training.detector.loss import detector_loss
from training.detector.network import NECK_WIDTH, PersonDetector, start_from
from training.distillation.detector import DetectorDistillation
from training.distillation.teachers import YoloxTeacher

STATISTICS_BATCHES = 16


def predictor(network: torch.nn.Module, device: torch.device) -> Predict:
    """A function from an RGB picture to boxes and scores, for the evaluation."""

    @torch.no_grad()
    def predict(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, boxes = network(normalise(torch.from_numpy(picture)[None], device))
        return boxes[0].cpu().numpy(), logits[0].float().sigmoid().cpu().numpy()

    return predict


def freeze_stages(network: PersonDetector, stages: int) -> None:
    """Keep the stem and the first ``stages`` of the backbone as they are, statistics too."""
    for i in range(stages):
        for part in (network.backbone.downsample_layers[i], network.backbone.stages[i]):
            part.eval().requires_grad_(False)


@torch.no_grad()
def fix_norms(
    network: torch.nn.Module, pool: Pool, side: int, seed: int, device: torch.device
) -> None:
    """Measure the norms' statistics on whole scenes and keep them fixed from then on.

    Mosaics have other statistics than the frames that the detector is used on: with the
    mosaics' it loses a sixth of its average precision.
    """
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    rng = np.random.default_rng(seed)
    for _ in range(STATISTICS_BATCHES):
        scenes = plain_scenes(pool, 16, side, rng)
        network(normalise(torch.from_numpy(scenes), device))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.eval()


def train(options: argparse.Namespace) -> Path:
    """Train as ``options`` say; the path of the last checkpoint."""
    device = prepare(options)
    network = PersonDetector()
    if options.start:
        fitted = start_from(network, read_state(options.start))
        print(f"{fitted} tensors from {options.start}")
    training = Trainer(network, options, EPOCH, device)
    network.train()
    freeze_stages(network, options.freeze)
    if options.fixed_norms:
        pool, middle = Pool(options.cache), sorted(options.sides)[len(options.sides) // 2]
        for part in (training.average.module, network):
            fix_norms(part, pool, middle, options.seed, device)

    scenes = round(options.scenes * options.batch)
    distillation = None
    if options.distill:
        teacher = YoloxTeacher(options.shared / "models", device)
        distillation = DetectorDistillation(teacher, NECK_WIDTH)
        training.keep("adapters", distillation.adapters)

    def loss_of(batch: Batch) -> Loss:
        images, truth, kind = batch
        with autocast(device):
            features = network.features(normalise(images, device))
            logits, boxes = network.heads(features)
        size = (images.shape[1], images.shape[2])
        logits, truth, kind = logits.float(), truth.to(device), kind.to(device)
        if not distillation:
            return detector_loss(logits, boxes, truth, kind, size)
        # In mosaics the teacher misses people and sees some that are not there.
        first = slice(scenes)
        loss, parts = distillation(
            images[first],
            logits[first],
            boxes[first],
            [maps[first] for maps in features],
            truth[first],
            kind[first],
        )
        if scenes == options.batch:
            return loss, parts
        rest = slice(scenes, None)
        more, labelled = detector_loss(logits[rest], boxes[rest], truth[rest], kind[rest], size)
        share = scenes / options.batch
        parts |= {f"mosaic_{name}": value for name, value in labelled.items()}
        return share * loss + (1 - share) * more, parts

    def figures_of(average: PersonDetector, dev: DevSet) -> dict[str, float]:
        return detector_figures(predictor(average.eval(), device), dev)

    pictures = Pictures(
        options.cache,
        options.batch,
        options.sides,
        options.seed + training.budget.step,
        scenes,
        options.crop_scenes,
        options.copy_paste,
    )
    return training.run(pictures, loss_of, figures_of, "ap50")


def read_options(argv: list[str] | None = None) -> argparse.Namespace:
    """The settings of a command line."""
    parser = build_parser(str(__doc__), "detector", 32, f"{EPOCH} pictures")
    add = parser.add_argument
    add("--sides", type=int, nargs="+", default=[192, 224, 256, 288], help="px of the pictures")
    add("--scenes", type=float, default=0.0, help="share of whole scenes; the rest are mosaics")
    add("--crop-scenes", type=float, default=0.0, help="share of these that show a person crop")
    add("--copy-paste", type=float, default=0.0, help="share of these with people pasted in")
    add_switch(parser, "--fixed-norms", "fix the norms' statistics to those of whole scenes")
    add_switch(parser, "--distill", "learn YOLOX-nano's output and features on whole scenes")
    add("--freeze", type=int, default=0, help="stages of the backbone that are not trained")
    options = parse_options(parser, argv)
    if options.distill and not round(options.scenes * options.batch):
        parser.error("--distill is for whole scenes: give --scenes a share of them")
    return options


if __name__ == "__main__":
    train(read_options())
