"""Train ConvNeXtPose XS on COCO's 17 joints.

    python -m training.pose.train training/recipes/pose_1_constant_rate.yaml
    python -m training.pose.train training/recipes/pose_1_constant_rate.yaml --steps 900

Starting again with the same ``out`` resumes. The average of the weights is written there as
``last.pth`` and, after every evaluation, ``best.pth``; figures go to ``log.jsonl``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pose_estimation_ros.engine.networks.convnextpose import (
    ConvNeXtPose,
    ExportedPose,
    read_state,
)
from training.augmentation.scene_crops import NO_SCENES, SceneShares
from training.common.device import autocast, normalise
from training.common.loop import Loss, Trainer, prepare
from training.common.metrics import DevSet, pose_figures
from training.common.options import add_switch, build_parser, parse_options
from training.distillation.pose import PoseDistillation
from training.distillation.teachers import TINYPOSE_SIDE, TinyPoseTeacher
from training.pose.dataset import Crops
from training.pose.heads import random_network
from training.pose.loss import pose_loss

FEATURE_WEIGHT = 1.0
SCENES = SceneShares(people=0.42, parts=0.06)


def predictor(
    network: ConvNeXtPose, side: int, device: torch.device
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from crops (n, side, side, 3) to joints (n, 17, 3), for the evaluation."""
    exported = ExportedPose(network, side).to(device).eval()

    @torch.no_grad()
    def predict(crops: np.ndarray) -> np.ndarray:
        return exported(torch.from_numpy(crops).to(device))[0].float().cpu().numpy()

    return predict


def start_from(network: ConvNeXtPose, path: Path) -> None:
    """Load the weights of a checkpoint, published or of this training.

    One with more cells of depth starts each cell here as the mean of those that it covers.
    """
    state = read_state(path)
    for name in ("head.final_layer.weight", "head.final_layer.bias"):
        value = state[name]
        cells = len(value) // network.joints // network.depth_dim
        state[name] = value.unflatten(0, (-1, cells)).mean(1)
    network.load_state_dict(state)


def train(options: argparse.Namespace) -> Path:
    """Train as ``options`` say; the path of the last checkpoint."""
    device = prepare(options)
    # Worth its time for one size of picture; the detector's several sizes take a minute and more.
    torch.backends.cudnn.benchmark = True
    network = random_network()
    if options.start:
        start_from(network, options.start)
    # Crops out of scenes have no labels: only a teacher makes them targets.
    scenes = SCENES if options.distill and options.copy_paste else NO_SCENES
    crops = Crops(
        options.cache,
        options.shared,
        options.batch,
        options.side,
        options.seed,
        options.copy_paste,
        device,
        scenes,
    )
    training = Trainer(network, options, len(crops.indices), device)
    crops.seed += training.budget.step
    distillation = None
    if options.distill:
        teacher = TinyPoseTeacher(options.shared / "models", device)
        distillation = PoseDistillation(teacher, network)
        training.keep("adapters", distillation.adapters)
    network.train()

    def loss_of(batch: tuple[Tensor, Tensor]) -> Loss:
        images, target = batch
        with autocast(device):
            volume = network.volume(normalise(images, device)).float()
        target = target.to(device)
        if distillation is None:
            return pose_loss(volume, target)
        target, marginals, features = distillation(images, target)
        loss, parts = pose_loss(volume, target, marginals)
        return loss + FEATURE_WEIGHT * features, parts | {"features": features.detach()}

    def figures_of(average: ConvNeXtPose, dev: DevSet) -> dict[str, float]:
        side = options.evaluate_side
        return pose_figures(predictor(average, side, device), dev, side)

    return training.run(crops, loss_of, figures_of, "mean_oks")


def read_options(argv: list[str] | None = None) -> argparse.Namespace:
    """The settings of a command line."""
    parser = build_parser(str(__doc__), "pose", 48, "the training crops")
    parser.add_argument("--side", type=int, default=192, help="px of the training crops")
    parser.add_argument("--evaluate-side", type=int, default=192)
    add_switch(
        parser,
        "--copy-paste",
        "paste people beside the person and change backgrounds; see augmentation.silhouettes",
    )
    add_switch(parser, "--distill", "learn PP-TinyPose's heatmaps and features")
    options = parse_options(parser, argv)
    if options.distill and options.side != TINYPOSE_SIDE:
        parser.error(f"--distill needs --side {TINYPOSE_SIDE}, the teacher's, not {options.side}")
    return options


if __name__ == "__main__":
    train(read_options())
