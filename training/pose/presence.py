"""Teach a pose network to tell people from things: one linear layer on its last features.

    python -m training.pose.presence ../train/pose_fine/last.pth ../train/pose_presence.pth

The marginals alone do not tell: a coat on a hook has arms and shoulders, too. The layer is a
logistic regression on the averaged features of the trained network, which stays as it is; people
and boxes on nobody count the same. The export multiplies all joints' scores by its probability.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pose_estimation_ros.engine.networks.convnextpose import read_state
from training.common.data import default_cache
from training.common.device import normalise
from training.pose.heads import MultiHeadPose, pooled, random_network
from training.pose.people import NOBODY, SHARES, Batch, PeopleCrops, read_pack

PEOPLE = tuple(name for name in SHARES if name not in (*NOBODY, "crops"))
BATCH, STRENGTH = 32, 0.4  # of the augmentation
DECAY = 0.1  # of the squared weights; with less, people far away fall to 0 for single frames


def fit(people: Tensor, nobody: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (1, k) and bias (1,) of the logistic regression that tells people from nobody.

    Args:
        people: features (n, k) of crops of people; nobody: (m, k) of others.
    """
    features = torch.cat((people, nobody)).double()
    truth = torch.cat((torch.ones(len(people)), torch.zeros(len(nobody)))).double()
    counts = torch.where(truth > 0, 1 / len(people), 1 / len(nobody)) * len(truth) / 2
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    features = (features - mean) / deviation
    weight = torch.zeros(features.shape[1], dtype=torch.double, requires_grad=True)
    bias = torch.zeros(1, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimizer.zero_grad()
        logits = features @ weight + bias
        loss = functional.binary_cross_entropy_with_logits(logits, truth, counts)
        loss = loss + DECAY * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(step)
    weight, bias = weight.detach() / deviation, bias.detach()
    return weight[None].float(), (bias - weight @ mean).float()


@torch.no_grad()
def features_of(network: MultiHeadPose, batches: Iterator[Batch], count: int) -> Tensor:
    """Pooled features of the first ``count`` batches, (n, 320)."""
    found = [
        pooled(network.features(normalise(images, torch.device("cpu"))))
        for images, _ in islice(batches, count)
    ]
    return torch.cat(found)


def with_presence(network: MultiHeadPose, cache: Path, crops: int, side: int) -> MultiHeadPose:
    """A copy of the network with the layer, taught on so many crops of either kind."""
    found = []
    for names in (PEOPLE, NOBODY):
        packs = {n: read_pack(cache, n) for n in names if (cache / f"{n}_crops.npy").exists()}
        batches = iter(PeopleCrops(packs, BATCH, side, 0, STRENGTH))
        found.append(features_of(network, batches, crops // BATCH))
    people, nobody = found
    weight, bias = fit(people, nobody)
    result = MultiHeadPose(list(network.heads), random_network(), presence=True)
    state = network.state_dict() | {"presence.weight": weight, "presence.bias": bias}
    result.load_state_dict(state)
    scores = [(features @ weight[0] + bias).numpy() for features in (people, nobody)]
    print(f"people above nobody: {np.mean(scores[0][:, None] > scores[1][None]):.4f} of the pairs")
    return result.eval()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="teach a pose network to tell people from things")
    parser.add_argument("checkpoint", type=Path, help="of training.pose.train_heads")
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path, default=default_cache() / "people")
    parser.add_argument("--crops", type=int, default=8000, help="of people, and of nobody")
    parser.add_argument("--side", type=int, default=192, help="px of the crops")
    options = parser.parse_args()
    torch.set_num_threads(1)
    state = {k: v for k, v in read_state(options.checkpoint).items() if "presence." not in k}
    names = sorted({key.split(".")[1] for key in state if key.startswith("heads.")})
    network = MultiHeadPose(names, random_network())
    network.load_state_dict(state)
    result = with_presence(network.eval(), options.cache, options.crops, options.side)
    torch.save({"network": result.state_dict()}, options.out)


if __name__ == "__main__":
    main()
