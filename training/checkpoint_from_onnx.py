"""A checkpoint to go on training from, made from an exported network.

    python -m training.checkpoint_from_onnx models/person_detector.onnx START.pth
    python -m training.checkpoint_from_onnx models/convnextpose_xs_coco17.onnx START.pth

An export folds the norms behind convolutions into them. Here every such norm comes back with
the mean and deviation that its convolution has on training pictures: evaluated, the network is
the exported one but for the float16 of its large weights; trained on, its norms work as before.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from pose_estimation_ros.engine.networks.convnextpose import ConvNeXtPose, byte_statistics
from training.augmentation.detector import plain_scenes
from training.common.data import DETECTOR_SIDE, default_cache, held_out
from training.common.device import normalise
from training.common.image_pool import Pool
from training.common.metrics import crop_of_stored
from training.common.options import add_side
from training.detector.network import PersonDetector
from training.pose.heads import HEADS, MultiHeadPose

PICTURES = 256
BATCH = 32
EXPORTED_DEPTH = 8  # cells of depth of a head of its own
Network = ConvNeXtPose | MultiHeadPose | PersonDetector


def read_convolutions(model: onnx.ModelProto) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernels and biases of an exported network, by the names of its modules."""
    values = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]].astype(np.float32)
    found = {}
    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and set(node.input[1:]) <= set(values):
            # /backbone/stages.0/stages.0.1/dwconv/Conv_output_0 is backbone.stages.0.1.dwconv:
            # a container's children repeat its name.
            parts = node.output[0].strip("/").split("/")[:-1]
            kept = [
                part
                for part, following in zip(parts, [*parts[1:], ""], strict=True)
                if not following.startswith(part + ".")
            ]
            found[".".join(kept).removeprefix("network.")] = (
                values[node.input[1]],
                values[node.input[2]],
            )
    return found


def read_norms(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The tensors of the norms that an export leaves as they are."""
    inputs = {
        name
        for node in model.graph.node
        if node.op_type == "BatchNormalization"
        for name in node.input[1:]
    }
    return {
        i.name.removeprefix("network."): numpy_helper.to_array(i)
        for i in model.graph.initializer
        if i.name in inputs
    }


def read_presence(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The tensors of the layer that tells people from things; none where there is none."""
    start = "network.presence."
    return {
        i.name.removeprefix("network."): numpy_helper.to_array(i)
        for i in model.graph.initializer
        if i.name.startswith(start)
    }


@torch.no_grad()
def take_normalised(stem: nn.Module) -> None:
    """Undo ``take_bytes``, in place: the stem then takes normalised pictures again."""
    assert isinstance(stem, nn.Conv2d) and stem.bias is not None
    mean, std = byte_statistics()
    kernel = stem.weight.double()
    stem.bias.copy_(stem.bias.double() + (kernel * mean).sum((1, 2, 3)))
    stem.weight.copy_(kernel * std)


def folded_norms(network: nn.Module) -> dict[str, str]:
    """Names of the convolutions that an export folds a norm into, and of those norms."""
    names = {}
    for name, module in network.named_modules():
        if name.endswith(".dwconv"):
            names[name] = name.removesuffix("dwconv") + "norm"
        elif isinstance(module, nn.Sequential):
            for (before, first), (after, second) in pairwise(module.named_children()):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    names[f"{name}.{before}"] = f"{name}.{after}"
    return names


@torch.no_grad()
def restore_norms(network: Network, batches: list[Tensor]) -> None:
    """Give the folded norms the statistics of ``batches``, the network's function unchanged.

    A kernel before a norm has no scale of its own, but its rate of learning depends on it:
    each gets the root mean square that it is initialised with.

    Args:
        network: holds the folded kernels; its folded norms only add a bias, if anything.
        batches: normalised pictures (n, 3, h, w).
    """
    pairs = folded_norms(network)
    sums: dict[str, list[Tensor]] = {name: [] for name in pairs}
    hooks = []
    for name in pairs:

        def collect(_module: nn.Module, _in: object, out: Tensor, name: str = name) -> None:
            flat = out.double().transpose(0, 1).flatten(1)
            sums[name].append(torch.stack((flat.mean(1), (flat**2).mean(1))))

        hooks.append(network.get_submodule(name).register_forward_hook(collect))
    run = network.volume if isinstance(network, ConvNeXtPose) else network
    for batch in batches:
        run(batch)
    for hook in hooks:
        hook.remove()
    for name, norm_name in pairs.items():
        convolution, norm = network.get_submodule(name), network.get_submodule(norm_name)
        assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        mean, square = torch.stack(sums[name]).mean(0)
        variance = (square - mean**2).clamp(min=1e-8)
        kernel = convolution.weight
        size = kernel[0].numel()
        scale = (3 * size) ** -0.5 / kernel.square().mean((1, 2, 3)).sqrt().clamp(min=1e-8)
        kernel.mul_(scale[:, None, None, None])
        if convolution.bias is not None:
            convolution.bias.mul_(scale)
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(mean * scale)
        norm.running_var.copy_(variance * scale**2)
        norm.weight.copy_((norm.running_var + norm.eps).sqrt() / scale)
        norm.bias.add_(mean)


def full_name(name: str) -> str:
    """The name in ``MultiHeadPose``: its backbone and its heads are called without theirs."""
    first = name.split(".")[0]
    if first in HEADS:
        return f"heads.{name}"
    return f"backbone.{name}" if first in ("downsample_layers", "stages") else name


def load(path: Path, joints: int = 17) -> Network:
    """The network of an export, whose folded norms do nothing until ``restore_norms``.

    Raises:
        ValueError: the file is not what ``training.export`` wrote.
    """
    model = onnx.load(str(path))
    convolutions = {full_name(name): value for name, value in read_convolutions(model).items()}
    network: Network
    if "head.final_layer" in convolutions:
        channels = len(convolutions["head.final_layer"][1])
        network = ConvNeXtPose("XS", joints, channels // joints)
    elif heads := {name.split(".")[1] for name in convolutions if name.startswith("heads.")}:
        start, presence = ConvNeXtPose("XS", joints, EXPORTED_DEPTH), read_presence(model)
        network = MultiHeadPose(sorted(heads), start, presence=bool(presence))
    elif "outputs.0" in convolutions:
        network = PersonDetector()
    else:
        raise ValueError(f"{path}: not an export of training.export")
    state = network.eval().state_dict()
    own = {n for n, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    if own != convolutions.keys():
        odd = ", ".join(sorted(own ^ convolutions.keys()))
        raise ValueError(f"{path}: not of this network: {odd}")
    norms = folded_norms(network)
    for norm in norms.values():
        # As good as no norm: the initial ones have a mean of 0 and a variance of 1.
        state[norm + ".weight"] = torch.full_like(state[norm + ".weight"], (1 + 1e-5) ** 0.5)
    for name, (kernel, bias) in convolutions.items():
        state[name + ".weight"] = torch.tensor(kernel)
        # One without a bias of its own got its norm's.
        owner = name if name + ".bias" in state else norms.get(name, name)
        state[owner + ".bias"] = torch.tensor(bias)
    others = read_norms(model) | read_presence(model)
    state |= {name: torch.tensor(value) for name, value in others.items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path}: not of this network: {error}") from error
    take_normalised(network.backbone.downsample_layers.get_submodule("0.0"))
    return network


def pictures(network: Network, cache: Path, side: int | None) -> np.ndarray:
    """Training pictures (n, side, side, 3) as this network is given them."""
    if isinstance(network, PersonDetector):
        pool, rng = Pool(cache), np.random.default_rng(0)
        return plain_scenes(pool, PICTURES, side or DETECTOR_SIDE, rng)
    crops = np.load(cache / "crops.npy", mmap_mode="r")
    training = np.flatnonzero(~held_out(len(crops)))
    chosen = training[:: max(1, len(training) // PICTURES)]
    return np.stack([crop_of_stored(crops[i], side or 192) for i in chosen])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="see training.build_cache"
    )
    add_side(parser)
    options = parser.parse_args()
    network = load(options.model)
    seen = torch.from_numpy(pictures(network, options.cache, options.side))
    restore_norms(network, [normalise(part, torch.device("cpu")) for part in seen.split(BATCH)])
    torch.save({"network": network.state_dict()}, options.out)
    print(f"{options.out}: {type(network).__name__}")


if __name__ == "__main__":
    main()
