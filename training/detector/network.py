"""The person detector: a ConvNeXt-style backbone, a light path-aggregation neck and heads.

One class, anchor-free: each cell of the strides 8, 16 and 32 gives a score and the distances
to the four sides of a person's box. BatchNorm follows every convolution's input or output, so
that an export folds it away.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_estimation_ros.engine.networks.convnextpose import (
    Block,
    make_downsample_layers,
    take_bytes,
)
from training.common.assignment import STRIDES, cell_centres

WIDTHS = (40, 80, 160)
DEPTHS = (1, 2, 3)
LAST_WIDTH, LAST_DEPTH, LAST_EXPANSION = 160, 2, 2
NECK_WIDTH = 64
FIRST_DISTANCE = math.log(3.0)  # cells; boxes start 6 cells wide, one size for each stride
FIRST_SCORE = 0.01


class Separable(nn.Sequential):
    """Depthwise k x k, BN, 1x1, BN, ReLU."""

    def __init__(self, width: int, kernel: int = 5, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )


def lateral(width_in: int, width: int) -> nn.Sequential:
    """1x1 convolution to the neck's width, BN."""
    return nn.Sequential(nn.Conv2d(width_in, width, 1, bias=False), nn.BatchNorm2d(width))


class Features(nn.Module):
    """Backbone; its stem and stages 0 to 2 are named and shaped as ConvNeXtPose XS's."""

    def __init__(self, depths: tuple[int, int, int] = DEPTHS) -> None:
        super().__init__()
        self.downsample_layers = make_downsample_layers((*WIDTHS, LAST_WIDTH))
        stages = [
            nn.Sequential(*(Block(width) for _ in range(depth)))
            for width, depth in zip(WIDTHS, depths, strict=True)
        ]
        stages.append(
            nn.Sequential(*(Block(LAST_WIDTH, LAST_EXPANSION) for _ in range(LAST_DEPTH)))
        )
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps at strides 8, 16 and 32 of a normalised image (n, 3, h, w)."""
        maps = []
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
            maps.append(x)
        return maps[1:]


class PersonDetector(nn.Module):
    """Backbone, neck and heads."""

    def __init__(self, depths: tuple[int, int, int] = DEPTHS, width: int = NECK_WIDTH) -> None:
        super().__init__()
        self.backbone = Features(depths)
        inputs = (WIDTHS[1], WIDTHS[2], LAST_WIDTH)
        self.laterals = nn.ModuleList(lateral(w, width) for w in inputs)
        self.down_top = nn.ModuleList(Separable(width) for _ in range(2))
        self.reduce = nn.ModuleList(Separable(width, stride=2) for _ in range(2))
        self.up_bottom = nn.ModuleList(Separable(width) for _ in range(2))
        self.towers = nn.ModuleList(
            nn.Sequential(Separable(width), Separable(width)) for _ in STRIDES
        )
        outputs = [nn.Conv2d(width, 5, 1) for _ in STRIDES]
        self.outputs = nn.ModuleList(outputs)
        for layer in outputs:
            nn.init.normal_(layer.weight, std=0.01)
            bias = layer.state_dict()["bias"]
            bias[0] = math.log(FIRST_SCORE / (1 - FIRST_SCORE))
            bias[1:] = FIRST_DISTANCE

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Detect in normalised images (n, 3, h, w), h and w multiples of 32.

        Returns:
            Logits (n, A) and boxes (n, A, 4) xyxy in px, the cells of stride 8 first.
        """
        return self.heads(self.features(x))

    def features(self, x: Tensor) -> list[Tensor]:
        """The neck's maps (n, NECK_WIDTH, h / s, w / s) of each stride s."""
        c3, c4, c5 = (layer(m) for layer, m in zip(self.laterals, self.backbone(x), strict=True))
        p4 = self.down_top[0](c4 + functional.interpolate(c5, scale_factor=2.0))
        p3 = self.down_top[1](c3 + functional.interpolate(p4, scale_factor=2.0))
        p4 = self.up_bottom[0](p4 + self.reduce[0](p3))
        p5 = self.up_bottom[1](c5 + self.reduce[1](p4))
        return [p3, p4, p5]

    def heads(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits and boxes of the neck's maps, as ``forward`` gives them."""
        logits, boxes = [], []
        levels = zip(maps, STRIDES, self.towers, self.outputs, strict=True)
        for features, stride, tower, output in levels:
            out = output(tower(features)).flatten(2).transpose(1, 2).float()
            centres = cell_centres(features, stride)
            reach = out[..., 1:].clamp(-4, 5).exp() * stride
            logits.append(out[..., 0])
            boxes.append(torch.cat((centres - reach[..., :2], centres + reach[..., 2:]), dim=2))
        return torch.cat(logits, dim=1), torch.cat(boxes, dim=1)


def start_from(detector: PersonDetector, state: dict[str, Tensor]) -> int:
    """Start as another detector, or with the stem and the stages 0 to 2 of a ConvNeXtPose XS.

    Returns how many tensors fitted.
    """
    own = detector.state_dict()
    if state.keys() == own.keys():
        detector.load_state_dict(state)
        return len(own)
    fitting = {
        name: value
        for name, value in state.items()
        if name.startswith("backbone.")
        and name in own
        and own[name].shape == value.shape
        and not name.startswith(("backbone.stages.3", "backbone.downsample_layers.3"))
    }
    detector.load_state_dict(own | fitting)
    return len(fitting)


# Where users start from: confidence_threshold of the node.
DEFAULT_THRESHOLD = 0.3


class ExportedDetector(nn.Module):
    """The detector as it is exported: uint8 images in, boxes in px and scores out.

    ``threshold`` is the network's score that is exported as DEFAULT_THRESHOLD, so that those who
    change nothing get the operating point that was found best; it keeps 0, 1 and the order.
    """

    def __init__(self, network: PersonDetector, threshold: float = DEFAULT_THRESHOLD) -> None:
        super().__init__()
        self.power = math.log(DEFAULT_THRESHOLD) / math.log(threshold)
        self.network = copy.deepcopy(network)
        take_bytes(self.network.backbone.downsample_layers.get_submodule("0.0"))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map uint8 RGB (n, h, w, 3) to boxes (n, A, 4) xyxy px and scores (n, A)."""
        logits, boxes = self.network(image.permute(0, 3, 1, 2).float())
        return boxes, logits.sigmoid() ** self.power
