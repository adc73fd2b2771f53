"""The ConvNeXtPose network in PyTorch: backbone, volumetric head and soft-argmax.

Source: Nguyen et al., "ConvNeXtPose: A Fast Accurate Method for 3D Human Pose Estimation and
its AR Fitness Application in Mobile Devices", IEEE Access 2023. The module names follow the
published checkpoints, so that those load with ``strict=True``.

Imports torch at its top: import it only where a PyTorch checkpoint is really used.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HEAD_LAYERS = 3


@dataclass(frozen=True)
class Variant:
    """Sizes of one published network.

    Attributes:
        depths: blocks of each of the four stages.
        widths: channels of each of the four stages.
        head_width: channels of the head's three layers.
        upsampled: how many of the head's layers double the resolution; the output has
            ``input / 32 * 2 ** upsampled`` cells a side.
        depth_dim: cells along z that the published checkpoints use.
    """

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    head_width: int
    upsampled: int
    depth_dim: int


VARIANTS: dict[str, Variant] = {
    "XS": Variant((2, 2, 6, 2), (40, 80, 160, 320), 128, 2, 32),
    "S": Variant((3, 3, 9, 3), (48, 96, 192, 384), 256, 2, 32),
    "M": Variant((3, 3, 9, 3), (48, 96, 192, 384), 256, 3, 64),
    "L": Variant((3, 3, 9, 3), (48, 96, 192, 384), 512, 3, 64),
}


class Block(nn.Module):
    """Depthwise 7x7, BN, 1x1 to ``expansion`` times the width, ReLU, 1x1, residual."""

    def __init__(self, width: int, expansion: int = 4) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.BatchNorm2d(width)
        self.pwconv1 = nn.Conv2d(width, expansion * width, 1)
        self.pwconv2 = nn.Conv2d(expansion * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, width, h, w) to the same shape."""
        return x + self.pwconv2(functional.relu(self.pwconv1(self.norm(self.dwconv(x)))))


def make_downsample_layers(widths: tuple[int, ...]) -> nn.ModuleList:
    """Stem (4x4 stride 4, BN) and the BN + 2x2 stride 2 convolutions between stages."""
    layers = nn.ModuleList(
        [nn.Sequential(nn.Conv2d(3, widths[0], 4, stride=4), nn.BatchNorm2d(widths[0]))]
    )
    for before, after in pairwise(widths):
        layers.append(nn.Sequential(nn.BatchNorm2d(before), nn.Conv2d(before, after, 2, stride=2)))
    return layers


class Backbone(nn.Module):
    """ConvNeXt with BatchNorm and ReLU; strides 4, 8, 16, 32."""

    def __init__(self, depths: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        self.downsample_layers = make_downsample_layers(widths)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth)))
            for depth, width in zip(depths, widths, strict=True)
        )
        self.norm = nn.BatchNorm2d(widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map a normalised image (n, 3, h, w) to features (n, widths[-1], h/32, w/32)."""
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return self.norm(x)


class HeadLayer(nn.Module):
    """Depthwise 3x3, BN, 1x1, ReLU and, where asked for, bilinear x2 with aligned corners."""

    def __init__(self, width_in: int, width_out: int, upsample: bool) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width_in, width_in, 3, padding=1, groups=width_in)
        self.norm = nn.BatchNorm2d(width_in)
        self.pwconv = nn.Conv2d(width_in, width_out, 1)
        self.upsample = upsample

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, width_in, h, w) to (n, width_out, h or 2h, w or 2w)."""
        x = functional.relu(self.pwconv(self.norm(self.dwconv(x))))
        if self.upsample:
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return x


class Head(nn.Module):
    """Three layers and a 1x1 convolution to ``joints * depth_dim`` channels."""

    def __init__(
        self, width_in: int, width: int, upsampled: int, joints: int, depth_dim: int
    ) -> None:
        super().__init__()
        widths = [width_in] + [width] * HEAD_LAYERS
        for i in range(HEAD_LAYERS):
            layer = HeadLayer(widths[i], widths[i + 1], upsample=i < upsampled)
            setattr(self, f"deconv_layers_{i + 1}", layer)
        self.final_layer = nn.Conv2d(width, joints * depth_dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map features to the volume's logits (n, joints * depth_dim, cells, cells)."""
        for i in range(HEAD_LAYERS):
            x = getattr(self, f"deconv_layers_{i + 1}")(x)
        return self.final_layer(x)


class ConvNeXtPose(nn.Module):
    """Pose network for one person crop.

    Args:
        variant: a name of ``VARIANTS`` or the sizes themselves.
        joints: joints of the skeleton.
        depth_dim: cells along z; the variant's own where None.

    Raises:
        ValueError: the variant is unknown.
    """

    def __init__(
        self, variant: str | Variant = "XS", joints: int = 18, depth_dim: int | None = None
    ) -> None:
        super().__init__()
        if isinstance(variant, str):
            if variant not in VARIANTS:
                raise ValueError(f"unknown ConvNeXtPose variant {variant!r}: {list(VARIANTS)}")
            variant = VARIANTS[variant]
        self.joints = joints
        self.depth_dim = depth_dim or variant.depth_dim
        self.backbone = Backbone(variant.depths, variant.widths)
        self.head = Head(
            variant.widths[-1], variant.head_width, variant.upsampled, joints, self.depth_dim
        )

    def volume(self, x: Tensor) -> Tensor:
        """Logits (n, joints, depth_dim, h, w) of a normalised crop (n, 3, H, W)."""
        logits = self.head(self.backbone(x))
        n, _, h, w = logits.shape
        return logits.view(n, self.joints, self.depth_dim, h, w)

    def forward(self, x: Tensor, with_scores: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Locate the joints of normalised crops.

        Args:
            x: (n, 3, H, W), RGB in [0, 1] less the ImageNet mean, over its deviation.
            with_scores: also return a score a joint.

        Returns:
            (n, joints, 3): x, y, z in cells of the volume. With ``with_scores`` also
            (n, joints) in [0, 1], see ``peak_score``.
        """
        cells, plane = soft_argmax(self.volume(x))
        if with_scores:
            return cells, peak_score(plane)
        return cells


def soft_argmax(volume: Tensor) -> tuple[Tensor, Tensor]:
    """Expected position under the softmax over the whole volume (Sun et al., ECCV 2018).

    Args:
        volume: logits (n, joints, depth, h, w).

    Returns:
        Cells (n, joints, 3) as x, y, z, and the marginal over the image plane
        (n, joints, h, w), which sums to 1.
    """
    n, joints, depth, h, w = volume.shape
    p = volume.flatten(2).float().softmax(dim=2).view(n, joints, depth, h * w)
    plane = p.sum(dim=2).view(n, joints, h, w)
    along_z = p.sum(dim=3)
    xs = torch.arange(w, dtype=p.dtype, device=p.device)
    ys = torch.arange(h, dtype=p.dtype, device=p.device)
    zs = torch.arange(depth, dtype=p.dtype, device=p.device)
    x = (plane.sum(dim=2) * xs).sum(dim=2)
    y = (plane.sum(dim=3) * ys).sum(dim=2)
    z = (along_z * zs).sum(dim=2)
    return torch.stack((x, y, z), dim=2), plane


def peak_score(plane: Tensor, window: int = 3) -> Tensor:
    """Peak of the marginal over the image plane (n, joints, h, w), as (n, joints) in [0, 1].

    The network has no trained confidence; the peak falls as the marginal spreads. The mass of
    the best ``window`` x ``window`` cells is taken rather than one cell's, since a joint between
    cells shares its mass among them.
    """
    mass = functional.avg_pool2d(plane, window, stride=1, padding=window // 2) * window**2
    return mass.flatten(2).amax(dim=2).clamp(0, 1)


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read a checkpoint's network weights, without DataParallel's ``module.`` prefix.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file holds no mapping of names to tensors, or something that only
            running its pickle would build; such a file is refused, not run.
    """
    try:
        loaded: Any = torch.load(Path(path), map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        # torch raises several unrelated types for a damaged or unsafe file.
        raise ValueError(f"{path}: not a safe PyTorch checkpoint: {error}") from error
    if isinstance(loaded, Mapping):
        loaded = loaded.get("network", loaded)
    if not isinstance(loaded, Mapping) or not loaded:
        raise ValueError(f"{path}: no weights under the key 'network'")
    if not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ValueError(f"{path}: the key 'network' holds something else than tensors")
    return {name.removeprefix("module."): value for name, value in loaded.items()}


def recognise(state: Mapping[str, Tensor]) -> str:
    """Name the variant whose tensor shapes these are.

    M and S differ only in the number of upsampled layers, which has no weights: the length of
    the depth axis tells them apart, as only the published M has 64 cells (18 joints x 64
    against x 32). See ``load_checkpoint`` for a checkpoint where that guess does not hold.

    Raises:
        ValueError: the shapes are no published variant's.
    """
    try:
        widths = tuple(
            int(state[f"backbone.stages.{i}.0.dwconv.weight"].shape[0]) for i in range(4)
        )
        head_width, channels = (
            int(state["head.final_layer.weight"].shape[1]),
            int(state["head.final_layer.weight"].shape[0]),
        )
    except KeyError as error:
        raise ValueError(f"not a ConvNeXtPose checkpoint: no tensor {error}") from error
    depths = tuple(_count_blocks(state, i) for i in range(4))
    fitting = [
        name
        for name, variant in VARIANTS.items()
        if (variant.depths, variant.widths, variant.head_width) == (depths, widths, head_width)
    ]
    if not fitting:
        raise ValueError(
            f"no ConvNeXtPose variant has depths {depths}, widths {widths}, head {head_width}"
        )
    deep = [name for name in fitting if VARIANTS[name].depth_dim == 64]
    if len(fitting) > 1 and deep and channels % 64 == 0 and channels // 64 >= 12:
        return deep[0]
    return fitting[0]


def _count_blocks(state: Mapping[str, Tensor], stage: int) -> int:
    depth = 0
    while f"backbone.stages.{stage}.{depth}.dwconv.weight" in state:
        depth += 1
    return depth


def load_checkpoint(
    path: str | Path,
    joints: int | None = None,
    depth_dim: int | None = None,
    variant: str | None = None,
) -> ConvNeXtPose:
    """Build the network of a checkpoint and load its weights, strictly, in eval mode.

    Args:
        path: a ``.pth`` file; read with ``weights_only=True``, so that nothing in it is run.
        joints: joints of its skeleton; found from the tensors where None.
        depth_dim: cells along z; from ``joints``, or the variant's own, where None.
        variant: a name of ``VARIANTS``; recognised from the tensor shapes where None. S and
            M need it where the depth axis is not the published one.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a ConvNeXtPose checkpoint, or sizes that do not divide.
    """
    state = read_state(path)
    name = variant or recognise(state)
    if name not in VARIANTS:
        raise ValueError(f"unknown ConvNeXtPose variant {name!r}: {list(VARIANTS)}")
    channels = int(state["head.final_layer.weight"].shape[0])
    depth = depth_dim or (channels // joints if joints else VARIANTS[name].depth_dim)
    if depth < 1 or channels % depth or (joints is not None and joints * depth != channels):
        raise ValueError(
            f"{path}: {channels} output channels are not {joints or 'whole'} joints"
            f" x {depth} cells of depth"
        )
    network = ConvNeXtPose(name, channels // depth, depth)
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{path}: weights do not fit ConvNeXtPose {name}: {error}") from error
    return network.eval()


def byte_statistics() -> tuple[Tensor, Tensor]:
    """ImageNet's mean and deviation of RGB in 0..255, float64 (1, 3, 1, 1)."""
    mean = torch.tensor(IMAGENET_MEAN, dtype=torch.float64).view(1, 3, 1, 1) * 255
    std = torch.tensor(IMAGENET_STD, dtype=torch.float64).view(1, 3, 1, 1) * 255
    return mean, std


def take_bytes(stem: nn.Module) -> None:
    """Fold the normalisation into a stem, in place: it then takes RGB in 0..255.

    Exact for a stem without padding, since every window then holds three whole channels.

    Raises:
        ValueError: the stem has padding or no bias.
    """
    if not isinstance(stem, nn.Conv2d) or stem.bias is None or stem.padding != (0, 0):
        raise ValueError("only a convolution with a bias and without padding can take bytes")
    mean, std = byte_statistics()
    weight = stem.weight.detach().double() / std
    with torch.no_grad():
        stem.bias.copy_(stem.bias.double() - (weight * mean).sum((1, 2, 3)))
        stem.weight.copy_(weight)


class ExportedPose(nn.Module):
    """The network as it is exported: uint8 crop in, crop pixels and metres out.

    Args:
        network: the trained network; it is copied.
        size: side of the square crop in px.
        depth_range_m: half the depth that the volume spans; the published +-1 m.
        sharpness: power that the marginal over the image plane is raised to before its mean
            is taken. 1 is the published soft-argmax; above 1 the mean moves from between the
            modes of a broad marginal towards the highest one.
        cell_centres: whether the network was trained with a cell's coordinate at its centre, as
            this project's are. The published ones were trained with it at the cell's corner:
            crop px = cells / cells a side * size.
        score_power: what the scores are raised to, so that an application's threshold suits
            this network as it is.
    """

    def __init__(
        self,
        network: ConvNeXtPose,
        size: int,
        depth_range_m: float = 1.0,
        sharpness: float = 1.0,
        cell_centres: bool = True,
        score_power: float = 1.0,
    ) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        take_bytes(self.network.backbone.downsample_layers.get_submodule("0.0"))
        self.size = size
        self.depth_range_m = depth_range_m
        self.sharpness = sharpness
        self.offset = 0.5 if cell_centres else 0.0
        self.score_power = score_power

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map uint8 RGB crops (n, S, S, 3) to joints (n, j, 3) and scores (n, j).

        x, y in crop px, z in metres relative to the root joint.
        """
        volume = self.network.volume(image.permute(0, 3, 1, 2).float())
        cells, plane = soft_argmax(volume)
        side, depth = volume.shape[-1], volume.shape[2]
        if self.sharpness != 1:
            sharp, _ = soft_argmax((plane.clamp(min=1e-9).log() * self.sharpness).unsqueeze(2))
            cells = torch.cat((sharp[..., :2], cells[..., 2:]), dim=2)
        # A cell's centre is half a cell in, as a pixel's is half a pixel in.
        xy = (cells[..., :2] + self.offset) * (self.size / side) - self.offset
        z = ((cells[..., 2:] + self.offset) / depth * 2 - 1) * self.depth_range_m
        scores = peak_score(plane)
        if self.score_power != 1:
            scores = scores**self.score_power
        return torch.cat((xy, z), dim=2), scores
