"""Train ConvNeXtPose XS on COCO's 17 joints.

    python -m training.train_pose --minutes 45 --start START.pth --out ../train/pose
    python -m training.train_pose --passes 100 --device cuda --batch 256 --workers 14

Starting again with the same ``--out`` resumes. The average of the weights is written there as
``last.pth`` and, after every evaluation, ``best.pth``; figures go to ``log.jsonl``.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pose_estimation_ros.engine.pose.convnext import (
    ConvNeXtPose,
    ExportedPose,
    read_state,
    soft_argmax,
)
from training import depthwise, loop
from training.data import default_cache, default_shared
from training.evaluate import dev_set, pose_figures
from training.muon import Muon
from training.pose_data import Crops

JOINTS = 17
# The published networks have 32; a quarter trains and runs faster.
DEPTH_CELLS = 8
SIGMA_CELLS = 1.0


def pose_loss(
    volume: Tensor, target: Tensor, weights: tuple[float, float, float] = (7.0, 2.0, 1.5)
) -> tuple[Tensor, dict[str, float]]:
    """L1 of the soft-argmax, L1 of z and cross-entropy of the marginal over the plane.

    Args:
        volume: logits (n, joints, depth, h, w).
        target: (n, joints, 5) x, y, z in [0, 1] and the weights of xy and z.
        weights: of the three parts. The cross-entropy, against a Gaussian of one cell, is
            what teaches quickly; L1 alone leaves the marginal broad (Sun et al., ECCV 2018).

    Returns:
        The loss and its parts for the log.
    """
    depth, height, width = volume.shape[2:]
    cells, plane = soft_argmax(volume)
    size = torch.tensor((width, height, depth), device=cells.device)
    error = ((cells + 0.5) / size - target[..., :3]).abs()
    on, on_z = target[..., 3], target[..., 4]
    count, count_z = on.sum().clamp(min=1), on_z.sum().clamp(min=1)
    l1 = (error[..., :2].sum(-1) * on).sum() / count
    l1_z = (error[..., 2] * on_z).sum() / count_z

    def along(positions: Tensor, length: int) -> Tensor:
        cell = torch.arange(length, device=cells.device) + 0.5
        away = cell - positions[..., None] * length
        return torch.softmax(-(away**2) / (2 * SIGMA_CELLS**2), dim=-1)

    rows, columns = along(target[..., 1], height), along(target[..., 0], width)
    wanted = rows[..., :, None] * columns[..., None, :]
    entropy = -(wanted * plane.clamp(min=1e-9).log()).sum((-1, -2))
    entropy = (entropy * on).sum() / count
    loss = weights[0] * l1 + weights[1] * l1_z + weights[2] * entropy
    parts = {"l1": l1, "l1_z": l1_z, "entropy": entropy}
    return loss, {name: float(value.detach()) for name, value in parts.items()}


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
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(options.threads)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    network = ConvNeXtPose("XS", JOINTS, DEPTH_CELLS)
    if options.start:
        start_from(network, options.start)
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = loop.Average(network, options.average)
    if device.type == "cpu":
        # After the average copied the network, as the copy must not share the replacement.
        depthwise.speed_up(network)
    optim = Muon(network.named_parameters(), options.rate, options.decay)
    crops = Crops(options.cache, options.shared, options.batch, options.side, options.seed)
    steps = options.steps or (
        options.passes and int(options.passes * len(crops.indices) / options.batch)
    )
    budget = loop.Budget(steps or None, options.minutes)
    if loop.resume(out / "last.pth", network, average, optim, budget):
        print(f"resumed at step {budget.step}, progress {budget.progress:.3f}")
    crops.seed += budget.step
    log = loop.Log(out / "log.jsonl")
    dev = dev_set(options.shared) if options.evaluate_minutes else []
    loader = DataLoader(
        crops, batch_size=None, num_workers=options.workers, pin_memory=device.type == "cuda"
    )
    best, evaluated = 0.0, time.monotonic()
    parts_sum: dict[str, float] = {}
    stop = loop.Stop()
    network.train()
    for images, target in loader:
        loop.set_rate(optim, options.rate * loop.rate_factor(budget, hold=options.hold))
        with loop.autocast(device):
            volume = network.volume(loop.normalise(images, device))
        loss, parts = pose_loss(volume.float(), target.to(device))
        optim.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
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
                predict = predictor(average.network, options.evaluate_side, device)
                figures = pose_figures(predict, dev, options.evaluate_side)
                log.write(step=budget.step, **figures)
                if figures["mean_oks"] > best:
                    best = figures["mean_oks"]
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
    parser.add_argument("--out", type=Path, default=default_cache().parent / "pose")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="see training.data")
    parser.add_argument("--shared", type=Path, default=default_shared())
    parser.add_argument("--start", type=Path, help="ConvNeXtPose XS checkpoint to start from")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="torch threads on the CPU")
    parser.add_argument("--workers", type=int, default=1, help="processes preparing crops")
    parser.add_argument("--passes", type=float, help="passes over the training crops")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float, help="wall-clock budget, resumed parts included")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--side", type=int, default=192, help="px of the training crops")
    parser.add_argument("--evaluate-side", type=int, default=192)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--hold", type=float, default=0.0, help="share of the time at full rate")
    parser.add_argument("--decay", type=float, default=0.03)
    parser.add_argument("--average", type=float, default=0.998)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--evaluate-minutes", type=float, default=8, help="0: never")
    options = parser.parse_args(argv)
    if not (options.passes or options.steps or options.minutes):
        options.passes = 100.0
    return options


if __name__ == "__main__":
    train(arguments())
