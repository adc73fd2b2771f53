"""Train one backbone with one or several heads on people out of whole pictures.

    python -m training.pose.train_heads training/recipes/heads_1_compare.yaml

With several heads all see the same crops at the same rate, and the backbone learns from the sum:
a comparison for the price of one training. Starting again with the same ``out`` resumes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from pose_estimation_ros.engine.networks.convnextpose import load_checkpoint
from pose_estimation_ros.evaluation.accuracy import Person, mean_oks
from training.common.device import autocast, normalise
from training.common.loop import Loss, Trainer, prepare
from training.common.metrics import DevSet, annotated_images, person_crop
from training.common.options import build_parser, parse_options
from training.pose.heads import HEADS, Located, MultiHeadPose, place, random_network
from training.pose.loss import marginal_loss
from training.pose.people import SHARES, PeopleCrops, read_pack, read_person_crops

PLAIN_L1 = 7.0  # weight of the coordinates' L1 in the loss of before
POWERS = (1.0, 2.0, 3.0)  # of the marginals, to evaluate


def measured_crops(root: Path, side: int) -> tuple[np.ndarray, list[np.ndarray], list[Person]]:
    """Crops, their affines and the counted people of a COCO keypoint folder."""
    cut = [
        (*person_crop(image, person.box, side), person)
        for image, people in annotated_images(root)
        for person in people
        if person.counted
    ]
    crops, matrices, counted = zip(*cut, strict=True)
    return np.stack(crops), list(matrices), list(counted)


@torch.no_grad()
def head_figures(
    network: MultiHeadPose, crops: np.ndarray, matrices: list[np.ndarray], people: list[Person]
) -> dict[str, float]:
    """Mean OKS of every head and power on crops (n, side, side, 3) with their affines."""
    device = next(network.parameters()).device
    side = crops.shape[1]
    found: dict[str, list[Tensor]] = {}
    for part in torch.from_numpy(crops).split(16):
        for name, located in network(normalise(part, device)).items():
            for power in POWERS:
                xy = place(located, power) * side - 0.5
                found.setdefault(f"oks_{name}_{power:g}", []).append(xy.cpu())
    figures = {}
    for name, parts in found.items():
        placed = [
            (xy - matrix[:, 2]) / matrix[0, 0]
            for xy, matrix in zip(torch.cat(parts).numpy(), matrices, strict=True)
        ]
        figures[name] = mean_oks(placed, people)
    return figures


def train(options: argparse.Namespace) -> Path:
    """Train as ``options`` say; the path of the last checkpoint."""
    device = prepare(options)
    cv2.setNumThreads(1)  # a process that is forked while others of its threads work can hang
    base = load_checkpoint(options.published, 17) if options.published else random_network()
    network = MultiHeadPose(options.heads, base, options.probes)
    if options.start:
        state = torch.load(options.start, map_location="cpu", weights_only=True)["network"]
        kept = {k: v for k, v in state.items() if k in network.state_dict()}
        network.load_state_dict(kept)
    packs = {"crops": read_person_crops(options.cache, options.shared)}
    for name in SHARES:
        if (options.cache / "people" / f"{name}_crops.npy").exists():
            packs[name] = read_pack(options.cache / "people", name)
    for name, pack in packs.items():
        print(f"{name}: {len(pack.indices)} crops to show", flush=True)
    epoch = sum(len(pack.indices) for pack in packs.values())
    training = Trainer(network, options, epoch, device)
    crops = PeopleCrops(
        packs, options.batch, options.side, options.seed + training.budget.step, options.strength
    )
    measured = measured_crops(options.shared / "data" / "coco_val", options.side)
    network.train()

    def loss_of(batch: tuple[Tensor, Tensor]) -> Loss:
        images, target = batch
        with autocast(device):
            found: dict[str, Located] = network(normalise(images, device))
        total = torch.zeros((), device=device)
        parts: dict[str, Tensor] = {}
        end = training.budget.progress >= options.coordinates_from
        for name, located in found.items():
            both = name in options.with_coordinates or end
            loss, own = marginal_loss(located, target.to(device), PLAIN_L1 if both else 0.0)
            total = total + loss
            parts |= {f"{name}_{key}": value for key, value in own.items()}
        return total, parts

    def figures_of(average: MultiHeadPose, dev: DevSet) -> dict[str, float]:
        figures = head_figures(average, *measured)
        return figures | {"best": max(figures.values())}

    return training.run(crops, loss_of, figures_of, "best")


def read_options(argv: list[str] | None = None) -> argparse.Namespace:
    """The settings of a command line."""
    parser = build_parser(str(__doc__), "pose_heads", 48, "the packs' crops")
    parser.add_argument("--side", type=int, default=192, help="px of the training crops")
    parser.add_argument("--published", type=Path, help="24x24 cells, of checkpoint_from_onnx")
    parser.add_argument("--heads", nargs="+", default=["volume"], help="see training.pose.heads")
    parser.add_argument(
        "--probes", nargs="*", default=[], help="heads of which the backbone does not learn"
    )
    parser.add_argument(
        "--with-coordinates", nargs="*", default=[], help="heads with L1 of x, y from the start"
    )
    parser.add_argument("--strength", type=float, default=1.0, help="of the augmentation")
    parser.add_argument(
        "--coordinates-from", type=float, default=1.1, help="progress from which all have it"
    )
    options = parse_options(parser, argv)
    if options.published is None and options.start is None:
        parser.error("--published is needed, the network that the heads start from, or --start")
    unknown = {name.rstrip("0123456789") for name in options.heads} - HEADS.keys()
    if unknown:
        parser.error(f"unknown heads {sorted(unknown)}, known are {sorted(HEADS)}")
    return options


if __name__ == "__main__":
    train(read_options())
