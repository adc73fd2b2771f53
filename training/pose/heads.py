"""Heads for ConvNeXtPose XS to compare: marginals of 24x24 or 48x48 cells, or of both axes.

Each maps the backbone's features to a ``Located``. ``take`` starts it from the published head.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_estimation_ros.engine.networks.convnextpose import (
    ConvNeXtPose,
    Head,
    HeadLayer,
    peak_score,
    read_state,
    take_bytes,
)

WIDTH, STAGES = 128, (40, 80, 160, 320)  # channels of the head and of the backbone's stages
BINS = 384  # of an axis of 192 px
SIMCC_CELLS = 6 * 6
SCORE_CELLS = 24  # a side of the grid up to which 3 cells make a score
DEPTH_CELLS = 8  # the published networks have 32; a quarter trains and runs faster
Z_SCALE = 1 / 64  # of a new map of depth, of which the features are large


def random_network() -> ConvNeXtPose:
    """The network that heads are made for, before any training."""
    return ConvNeXtPose("XS", 17, DEPTH_CELLS)


class Located(NamedTuple):
    """Logarithms of the marginals, and z.

    Attributes:
        plane: (n, joints, h, w), or x (n, joints, bins) where ``rows`` is given.
        z: (n, joints) in [0, 1] of the volume.
        rows: y (n, joints, bins).
    """

    plane: Tensor
    z: Tensor
    rows: Tensor | None = None


class PoseHead(nn.Module):
    """What all heads have. Their layers that come last are named final_layer, see ``Muon``."""

    def take(self, network: ConvNeXtPose) -> None:
        """Start as near the head of ``network`` as the layers allow."""
        raise NotImplementedError

    def forward(self, features: list[Tensor]) -> Located:
        """Map the four stages' features, the last one normalised, to marginals."""
        raise NotImplementedError


class VolumeHead(PoseHead):
    """The published head: 24x24 cells, 8 of depth."""

    def __init__(self, joints: int = 17, depth: int = DEPTH_CELLS) -> None:
        super().__init__()
        self.joints, self.depth = joints, depth
        self.head = Head(STAGES[-1], WIDTH, 2, joints, depth)

    def take(self, network: ConvNeXtPose) -> None:
        """Start as the head of ``network``."""
        self.head.load_state_dict(network.head.state_dict())

    def forward(self, features: list[Tensor]) -> Located:
        """Map the four stages' features, the last one normalised, to marginals."""
        logits = self.head(features[3]).float().unflatten(1, (self.joints, self.depth))
        size = logits.shape[-2:]
        logits = logits.flatten(3)
        plane = log_marginals(logits.logsumexp(2).unflatten(2, size))
        cells = (torch.arange(self.depth, device=logits.device) + 0.5) / self.depth
        depth = (logits.softmax(2) * cells[:, None]).sum(2)
        return Located(plane, (depth * plane.exp().flatten(2)).sum(2))


class SubpixelHead(PoseHead):
    """48x48 cells by four outputs in each of 24x24 (Shi et al., CVPR 2016), with a skip.

    Nothing is computed at 48x48 cells. Each of 24x24 has its own distribution over 8 cells of
    depth, as the published volume has; z is the mean of their means under the marginal.
    """

    def __init__(self, joints: int = 17, depth: int = DEPTH_CELLS) -> None:
        super().__init__()
        self.joints, self.depth = joints, depth
        self.deconv_layers_1 = HeadLayer(STAGES[-1], WIDTH, upsample=True)
        self.deconv_layers_2 = HeadLayer(WIDTH, WIDTH, upsample=True)
        self.skip = nn.Conv2d(STAGES[1], WIDTH, 1)
        self.deconv_layers_3 = HeadLayer(WIDTH, WIDTH, upsample=False)
        self.final_layer = nn.Conv2d(WIDTH, 4 * joints, 1)
        self.final_layer_z = nn.Conv2d(WIDTH, joints * depth, 1)

    def take(self, network: ConvNeXtPose) -> None:
        """Start near the head of ``network``."""
        take_layers(self, network)
        self.final_layer_z.load_state_dict(network.head.final_layer.state_dict())
        weight, bias = plane_weights(network)
        start = {"weight": weight.repeat_interleave(4, 0), "bias": bias.repeat_interleave(4, 0)}
        self.final_layer.load_state_dict(start)

    def forward(self, features: list[Tensor]) -> Located:
        """Map the four stages' features, the last one normalised, to marginals."""
        x = self.deconv_layers_2(self.deconv_layers_1(features[3]))
        x = self.deconv_layers_3(x + self.skip(features[1]))
        plane = log_marginals(functional.pixel_shuffle(self.final_layer(x).float(), 2))
        depth = self.final_layer_z(x).float().unflatten(1, (self.joints, self.depth)).softmax(2)
        cells = (torch.arange(self.depth, device=x.device) + 0.5) / self.depth
        return Located(plane, z_at(plane, (depth * cells.view(-1, 1, 1)).sum(2)))


class FineHead(PoseHead):
    """48x48 cells: upsampled before the third layer, with a skip from stride 4.

    Args:
        width: channels from the second layer on.
    """

    def __init__(self, joints: int = 17, width: int = WIDTH) -> None:
        super().__init__()
        self.deconv_layers_1 = HeadLayer(STAGES[-1], WIDTH, upsample=True)
        self.deconv_layers_2 = HeadLayer(WIDTH, width, upsample=True)
        self.skip = nn.Conv2d(STAGES[0], width, 1)
        self.deconv_layers_3 = HeadLayer(width, width, upsample=False)
        self.final_layer = nn.Conv2d(width, joints, 1)
        self.final_layer_z = nn.Conv2d(width, joints, 1)
        zero(self.final_layer_z)

    def take(self, network: ConvNeXtPose) -> None:
        """Start near the head of ``network``; a narrow one starts anew, see ``narrow``."""
        if self.skip.out_channels == WIDTH:
            take_layers(self, network)
            weight, bias = plane_weights(network)
            self.final_layer.load_state_dict({"weight": weight, "bias": bias})

    def coarse(self, features: list[Tensor]) -> Tensor:
        """What is upsampled: (n, width, 24, 24)."""
        found: Tensor = self.deconv_layers_2(self.deconv_layers_1(features[3]))
        return found

    def fine(self, coarse: Tensor, features: list[Tensor]) -> Tensor:
        """The third layer's output: (n, width, 48, 48)."""
        x = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=True)
        found: Tensor = self.deconv_layers_3(x + self.skip(features[0]))
        return found

    def forward(self, features: list[Tensor]) -> Located:
        """Map the four stages' features, the last one normalised, to marginals."""
        coarse = self.coarse(features)
        plane = log_marginals(self.final_layer(self.fine(coarse, features)).float())
        depth = 0.5 + self.final_layer_z(coarse).float() * Z_SCALE
        return Located(plane, z_at(plane, depth))


class SimccHead(PoseHead):
    """Both axes apart, two bins a px (Li et al., ECCV 2022; the 7x7 as in RTMPose)."""

    def __init__(self, joints: int = 17) -> None:
        super().__init__()
        self.maps = nn.Conv2d(STAGES[-1], joints, 7, padding=3)
        self.final_layer_x = nn.Linear(SIMCC_CELLS, BINS)
        self.final_layer_y = nn.Linear(SIMCC_CELLS, BINS)
        self.final_layer_z = nn.Linear(STAGES[-1], joints)
        zero(self.final_layer_z)

    def take(self, network: ConvNeXtPose) -> None:
        """It starts anew."""

    def forward(self, features: list[Tensor]) -> Located:
        """Map the four stages' features, the last one normalised, to marginals."""
        maps = self.maps(features[3]).flatten(2)
        x, y = (
            layer(maps).float().log_softmax(2)
            for layer in (self.final_layer_x, self.final_layer_y)
        )
        z = 0.5 + self.final_layer_z(features[3].mean((2, 3))).float() * Z_SCALE
        return Located(x, z, y)


HEADS: dict[str, Callable[[], PoseHead]] = {
    "volume": VolumeHead,
    "subpixel": SubpixelHead,
    "fine": FineHead,
    "lite": partial(FineHead, width=WIDTH // 2),
    "simcc": SimccHead,
}


def zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Start a layer at nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def take_layers(head: nn.Module, network: ConvNeXtPose) -> None:
    """Start the three layers as those of ``network``, the skip at nothing."""
    for i in (1, 2, 3):
        name = f"deconv_layers_{i}"
        head.get_submodule(name).load_state_dict(network.head.get_submodule(name).state_dict())
    skip = head.get_submodule("skip")
    assert isinstance(skip, nn.Conv2d) and skip.bias is not None
    nn.init.normal_(skip.weight, std=1e-3)
    nn.init.zeros_(skip.bias)


def plane_weights(network: ConvNeXtPose) -> tuple[Tensor, Tensor]:
    """The last layer's kernel and bias without depth: the mean over its cells."""
    last = network.head.final_layer
    assert last.bias is not None
    shape = (network.joints, network.depth_dim)
    return last.weight.unflatten(0, shape).mean(1), last.bias.unflatten(0, shape).mean(1)


def log_marginals(logits: Tensor) -> Tensor:
    """Logarithm of the softmax over the last two axes of (n, joints, h, w)."""
    return logits.flatten(2).log_softmax(2).view_as(logits)


def z_at(plane: Tensor, depth: Tensor) -> Tensor:
    """z (n, joints): the mean of a map (n, joints, h / 2, w / 2) under the marginal."""
    mass = functional.avg_pool2d(plane.exp(), 2) * 4
    return (mass * depth).sum((2, 3))


class MultiHeadPose(nn.Module):
    """The backbone of XS with several heads, so that all see the same crops.

    Args:
        heads: names of ``HEADS``, a number behind them tells equal ones apart.
        start: the published network to start from.
        probes: those of which the backbone does not learn.
        presence: with the layer that tells people from things, see ``training.pose.presence``.
    """

    def __init__(
        self,
        heads: list[str],
        start: ConvNeXtPose,
        probes: Collection[str] = (),
        presence: bool = False,
    ) -> None:
        super().__init__()
        self.presence = nn.Linear(STAGES[-1], 1) if presence else None
        self.probes = frozenset(probes)
        self.backbone = copy.deepcopy(start.backbone)
        built = {name: HEADS[name.rstrip("0123456789")]() for name in heads}
        for head in built.values():
            head.take(start)
        self.heads = nn.ModuleDict(built)

    def features(self, x: Tensor) -> list[Tensor]:
        """The four stages' features of normalised crops (n, 3, h, w), the last one normalised."""
        features = []
        for downsample, stage in zip(
            self.backbone.downsample_layers, self.backbone.stages, strict=True
        ):
            x = stage(downsample(x))
            features.append(x)
        features[-1] = self.backbone.norm(x)
        return features

    def forward(self, x: Tensor) -> dict[str, Located]:
        """Marginals of every head for normalised crops (n, 3, h, w)."""
        features = self.features(x)
        detached = [feature.detach() for feature in features]
        return {
            name: head(detached if name in self.probes else features)
            for name, head in self.heads.items()
        }


def place(located: Located, power: float = 1.0) -> Tensor:
    """x, y in [0, 1] of the crop (n, joints, 2): the mean of the marginals to a power."""
    if located.rows is None:
        sharp = (located.plane * power).flatten(2).softmax(2).view_as(located.plane)
        axes = sharp.sum(2), sharp.sum(3)
    else:
        axes = ((located.plane * power).softmax(2), (located.rows * power).softmax(2))
    found = []
    for p in axes:
        cells = (torch.arange(p.shape[2], device=p.device) + 0.5) / p.shape[2]
        found.append((p * cells).sum(2))
    return torch.stack(found, 2)


def pooled(features: list[Tensor]) -> Tensor:
    """What presence is told from: the mean of the last features, (n, 320)."""
    return features[-1].mean((2, 3))


class ExportedHead(nn.Module):
    """A network with one head as it is exported: uint8 crop in, crop pixels and metres out.

    Where it has a layer for presence, joints' scores are multiplied by the probability that the
    crop shows a person at all.

    Args:
        network: with one head of marginals in the plane; it is copied.
        side: of the square crop in px; sharpness and score_power: see ``ExportedPose``.
    """

    def __init__(
        self,
        network: MultiHeadPose,
        side: int,
        sharpness: float = 1.0,
        score_power: float = 1.0,
    ) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        take_bytes(self.network.backbone.downsample_layers.get_submodule("0.0"))
        self.side, self.sharpness, self.score_power = side, sharpness, score_power

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map uint8 RGB crops (n, S, S, 3) to joints (n, j, 3) and scores (n, j)."""
        features = self.network.features(image.permute(0, 3, 1, 2).float())
        (head,) = self.network.heads.values()
        located = head(features)
        xy = place(located, self.sharpness) * self.side - 0.5
        z = (located.z[..., None] * 2 - 1).clamp(-1, 1)  # a map of depth has no bounds
        # About 20 px of 192, of whatever grid.
        window = 5 if located.plane.shape[-1] > SCORE_CELLS else 3
        scores = peak_score(located.plane.exp(), window)
        if self.network.presence is not None:
            scores = scores * self.network.presence(pooled(features)).sigmoid()
        if self.score_power != 1:
            scores = scores**self.score_power
        return torch.cat((xy, z), dim=2), scores


def read_heads(path: Path) -> MultiHeadPose:
    """The network of a checkpoint of ``training.pose.train_heads``, in eval mode.

    Raises:
        ValueError: the checkpoint has no heads.
    """
    state = read_state(path)
    names = sorted({key.split(".")[1] for key in state if key.startswith("heads.")})
    if not names:
        raise ValueError(f"{path}: a checkpoint without heads")
    presence = any(key.startswith("presence.") for key in state)
    network = MultiHeadPose(names, random_network(), presence=presence)
    network.load_state_dict(state)
    return network.eval()
