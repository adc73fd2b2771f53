"""The mean of two checkpoints' weights (Wortsman et al., "Model soups", ICML 2022).

    python -m training.average_checkpoints ONE.pth OTHER.pth OUT.pth --share 0.7

Of a network and what a further training made of it: where the training learnt one thing and
forgot a little of another, the mean keeps most of both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from pose_estimation_ros.engine.networks.convnextpose import read_state


def average(first: Path, second: Path, out: Path, share: float = 0.5) -> None:
    """Write (1 - share) x ``first`` + share x ``second``.

    Raises:
        ValueError: they are of different networks.
    """
    one, other = read_state(first), read_state(second)
    if {n: v.shape for n, v in one.items()} != {n: v.shape for n, v in other.items()}:
        raise ValueError(f"{first} and {second} are not checkpoints of the same network")
    mean = {
        name: torch.lerp(value, other[name], share) if value.is_floating_point() else value
        for name, value in one.items()
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"network": mean}, out)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="the mean of two checkpoints' weights")
    for name in ("first", "second", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second")
    options = parser.parse_args()
    average(options.first, options.second, options.out, options.share)


if __name__ == "__main__":
    main()
