"""Train ConvNeXtPose XS on COCO's 17 joints.

    python -m training.train_pose --minutes 45 --start START.pth --out ../train/pose
    python -m training.train_pose --passes 100 --device cuda --batch 256 --workers 14

Starting again with the same ``--out`` resumes. The average of the weights is written there as
``last.pth`` and, after every evaluation, ``best.pth``; figures go to ``log.jsonl``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pose_estimation_ros.engine.networks.convnextpose import (
    ConvNeXtPose,
    ExportedPose,
    read_state,
    soft_argmax,
)
from training import loop, trainer
from training.company import NOTHING_ELSE, Shares
from training.evaluate import DevSet, pose_figures
from training.pose_augment import FLIP
from training.pose_data import Crops
from training.pose_imitation import SIDE, Imitation, Marginals, Teacher, marginal

JOINTS = 17
# The published networks have 32; a quarter trains and runs faster.
DEPTH_CELLS = 8
FEATURE_WEIGHT = 1.0
SHARES = Shares(people=0.42, parts=0.06)
LEFT = np.arange(5, JOINTS, 2)  # of the body; each with its right joint
RIGHT = np.array(FLIP)[LEFT]
CLEAR_DEPTH = 0.03  # of the volume: which joint is nearer is only asked from 6 cm on
ORDER_SOFTNESS = 0.03


def pose_loss(
    volume: Tensor,
    target: Tensor,
    marginals: Marginals | None = None,
    weights: tuple[float, float, float, float] = (7.0, 6.0, 1.5, 1.0),
) -> tuple[Tensor, dict[str, Tensor]]:
    """L1 of the soft-argmax and of z, cross-entropy of the marginal in the plane, order in depth.

    Args:
        volume: logits (n, joints, depth, h, w).
        target: (n, joints, 5) x, y, z in [0, 1] and the weights of xy and z.
        marginals: what they are to be; Gaussians of one cell around x, y where None.
        weights: of the four parts. The cross-entropy of the marginals is what teaches
            quickly; L1 alone leaves them broad (Sun et al., ECCV 2018).

    Returns:
        The loss and its parts for the log.
    """
    depth, height, width = volume.shape[2:]
    cells, plane = soft_argmax(volume)
    size = torch.tensor((width, height, depth), device=cells.device)
    places = (cells + 0.5) / size
    error = (places - target[..., :3]).abs()
    on, on_z = target[..., 3], target[..., 4]
    count, count_z = on.sum().clamp(min=1), on_z.sum().clamp(min=1)
    l1 = (error[..., :2].sum(-1) * on).sum() / count
    l1_z = (error[..., 2] * on_z).sum() / count_z

    wanted, weight = marginals or (marginal(target, height, width), on)
    entropy = -(wanted * plane.clamp(min=1e-9).log()).sum((-1, -2))
    entropy = (entropy * weight).sum() / count
    order = order_loss(places[..., 2], target)
    loss = weights[0] * l1 + weights[1] * l1_z + weights[2] * entropy + weights[3] * order
    parts = {"l1": l1, "l1_z": l1_z, "entropy": entropy, "order": order}
    return loss, {name: value.detach() for name, value in parts.items()}


def order_loss(z: Tensor, target: Tensor) -> Tensor:
    """Which of a left and a right joint is nearer: log-loss of the difference's sign.

    As in Pavlakos et al., CVPR 2018. L1 lets a doubtful pair rest near no difference at all,
    where its sign is chance.

    Args:
        z: (n, joints) in [0, 1]; target: as of ``pose_loss``.
    """
    wanted = target[:, LEFT, 2] - target[:, RIGHT, 2]
    given = z[:, LEFT] - z[:, RIGHT]
    on = torch.minimum(target[:, LEFT, 4], target[:, RIGHT, 4]) * (wanted.abs() > CLEAR_DEPTH)
    loss = functional.softplus(-wanted.sign() * given / ORDER_SOFTNESS)
    return (loss * on).sum() / on.sum().clamp(min=1)


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
    device = trainer.prepare(options)
    # Worth its time for one size of picture; the detector's several sizes take a minute and more.
    torch.backends.cudnn.benchmark = True
    network = ConvNeXtPose("XS", JOINTS, DEPTH_CELLS)
    if options.start:
        start_from(network, options.start)
    folders = options.cache, options.shared
    # There are no labels for these; the teacher sees what is there, and that nobody is.
    shares = SHARES if options.imitate and options.company else NOTHING_ELSE
    crops = Crops(
        *folders, options.batch, options.side, options.seed, options.company, device, shares
    )
    training = trainer.Trainer(network, options, len(crops.indices), device)
    crops.seed += training.budget.step
    imitation = None
    if options.imitate:
        imitation = Imitation(Teacher(options.shared / "models", device), network)
        training.keep("adapters", imitation.adapters)
    network.train()

    def loss_of(batch: tuple[Tensor, Tensor]) -> trainer.Loss:
        images, target = batch
        with loop.autocast(device):
            volume = network.volume(loop.normalise(images, device)).float()
        target = target.to(device)
        if imitation is None:
            return pose_loss(volume, target)
        target, marginals, features = imitation(images, target)
        loss, parts = pose_loss(volume, target, marginals)
        return loss + FEATURE_WEIGHT * features, parts | {"features": features.detach()}

    def figures_of(average: ConvNeXtPose, dev: DevSet) -> dict[str, float]:
        side = options.evaluate_side
        return pose_figures(predictor(average, side, device), dev, side)

    return training.run(crops, loss_of, figures_of, "mean_oks")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    options = trainer.parser(str(__doc__), "pose", 48, "the training crops")
    options.add_argument("--side", type=int, default=192, help="px of the training crops")
    options.add_argument("--evaluate-side", type=int, default=192)
    options.add_argument(
        "--company", action="store_true", help="add people and places; see training.silhouettes"
    )
    options.add_argument(
        "--imitate", action="store_true", help="compare with PP-TinyPose; see pose_imitation"
    )
    found = trainer.read(options, argv)
    if found.imitate and found.side != SIDE:
        options.error(f"--imitate needs --side {SIDE}, the teacher's, not {found.side}")
    return found


if __name__ == "__main__":
    train(arguments())
