"""Start the narrow head of 48x48 cells from the wide one: the channels that matter most.

    python -m training.pose.narrow WIDE.pth NARROW.pth

A channel matters as much as its mean output times the norm of the weights that read it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pose_estimation_ros.engine.networks.convnextpose import read_state
from training.common.data import default_cache, held_out
from training.common.device import normalise
from training.common.metrics import crop_of_stored
from training.pose.heads import FineHead, HeadLayer, MultiHeadPose, random_network

PICTURES = 128


@torch.no_grad()
def narrow(wide: MultiHeadPose, images: Tensor) -> MultiHeadPose:
    """The network with the head ``lite`` in place of ``fine``.

    Args:
        wide: in eval mode; images: uint8 RGB (n, s, s, 3), to measure the channels on.
    """
    result = MultiHeadPose(["lite"], random_network()).eval()
    result.backbone.load_state_dict(wide.backbone.state_dict())
    source, target = wide.heads["fine"], result.heads["lite"]
    assert isinstance(source, FineHead) and isinstance(target, FineHead)
    count = target.skip.out_channels
    features = wide.features(normalise(images, images.device))
    coarse = source.coarse(features)
    layer = source.deconv_layers_3
    read = layer.pwconv.weight.square().sum((0, 2, 3)).sqrt() * layer.norm.weight.abs()
    read = read * layer.dwconv.weight.flatten(1).norm(dim=1)
    assert layer.norm.running_var is not None
    read = read / (layer.norm.running_var + layer.norm.eps).sqrt()
    middle = matter_most(coarse, read, count)
    read = source.final_layer.weight.square().sum((0, 2, 3)).sqrt()
    last = matter_most(source.fine(coarse, features), read, count)

    target.deconv_layers_1.load_state_dict(source.deconv_layers_1.state_dict())
    take_layer(
        target.deconv_layers_2, source.deconv_layers_2, torch.arange(coarse.shape[1]), middle
    )
    take_layer(target.deconv_layers_3, layer, middle, last)
    for name, inputs in (("final_layer", last), ("final_layer_z", middle)):
        state = source.get_submodule(name).state_dict()
        state["weight"] = state["weight"][:, inputs]
        target.get_submodule(name).load_state_dict(state)
    target.skip.load_state_dict({k: v[middle] for k, v in source.skip.state_dict().items()})
    return result


def matter_most(output: Tensor, read: Tensor, count: int) -> Tensor:
    """Numbers (count,) of channels of (n, c, h, w), by mean output times ``read`` (c,)."""
    return (output.abs().mean((0, 2, 3)) * read).topk(count).indices.sort().values


def take_layer(target: HeadLayer, source: HeadLayer, inputs: Tensor, outputs: Tensor) -> None:
    """Some channels of a layer."""
    state = {}
    for name, value in source.state_dict().items():
        if name.startswith("pwconv"):
            value = value[outputs]
            state[name] = value[:, inputs] if value.ndim == 4 else value
        else:
            state[name] = value[inputs] if value.ndim else value
    target.load_state_dict(state)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("wide", type=Path, help="checkpoint with the head fine, among others")
    parser.add_argument("narrow", type=Path, help="to write")
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    wide = MultiHeadPose(["fine"], random_network()).eval()
    state = read_state(options.wide)
    wide.load_state_dict({name: state[name] for name in wide.state_dict()})
    crops = np.load(options.cache / "crops.npy", mmap_mode="r")
    chosen = np.flatnonzero(~held_out(len(crops)))
    chosen = chosen[:: max(1, len(chosen) // PICTURES)]
    images = torch.from_numpy(np.stack([crop_of_stored(crops[i], 192) for i in chosen]))
    torch.save({"network": narrow(wide, images).state_dict()}, options.narrow)
    print(options.narrow)


if __name__ == "__main__":
    main()
