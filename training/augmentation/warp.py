"""Moving batches of pictures: similarities, sampling, blending. Everything is on one device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def similarity(scale: Tensor, angle: Tensor, mirror: Tensor) -> Tensor:
    """Turning by ``angle`` rad, scaling and, where ``mirror`` is -1, a flip across: (n, 2, 2)."""
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = torch.stack((mirror * cos, -sin), 1), torch.stack((mirror * sin, cos), 1)
    return torch.stack(rows, 1)


def centred(
    middle: Tensor, scale: Tensor, angle: Tensor, mirror: Tensor, side: int
) -> tuple[Tensor, Tensor]:
    """The ``similarity`` that brings ``middle`` (n, 2) to the middle of ``side`` px, as ``warp``
    takes it: (n, 2, 2) and (n, 2).
    """
    linear = similarity(scale, angle, mirror)
    return linear, (side - 1) / 2 - (linear @ middle[..., None])[..., 0]


def inverse(linear: Tensor) -> Tensor:
    """Of (n, 2, 2), without the wait for the device that ``torch.linalg.inv`` costs."""
    (a, b), (c, d) = linear[:, 0].unbind(1), linear[:, 1].unbind(1)
    rows = torch.stack((d, -b), 1), torch.stack((-c, a), 1)
    return torch.stack(rows, 1) / (a * d - b * c)[:, None, None]


def move(points: Tensor, linear: Tensor, shift: Tensor) -> Tensor:
    """``linear`` (n, 2, 2) of points (n, k, 2), plus ``shift`` (n, 2)."""
    return points @ linear.mT + shift[:, None]


def warp(
    pictures: Tensor, linear: Tensor, shift: Tensor, side: int, replicate: Tensor | None = None
) -> Tensor:
    """Sample pictures where ``move`` puts their pixels.

    Args:
        pictures: (n, c, h, w) float.
        linear: (n, 2, 2) and shift: (n, 2), from their px to the result's.
        side: px of the result.
        replicate: (n,) bool, whose border goes on beyond it; the others are black there.

    Returns:
        (n, c, side, side).
    """
    line = torch.arange(side, dtype=torch.float32, device=pictures.device)
    ys, xs = torch.meshgrid(line, line, indexing="ij")
    wanted = torch.stack((xs, ys), 2).view(1, -1, 2) - shift[:, None]
    size = torch.tensor((pictures.shape[3], pictures.shape[2]), device=pictures.device)
    places = ((wanted @ inverse(linear).mT + 0.5) * 2 / size - 1).view(-1, side, side, 2)
    if replicate is not None:
        edge = 1 - 1 / size
        places = torch.where(
            replicate[:, None, None, None], torch.clamp(places, -edge, edge), places
        )
    return functional.grid_sample(pictures, places, align_corners=False)


def blend(below: Tensor, above: Tensor, mask: Tensor) -> Tensor:
    """``above`` (n, 3, h, w) over ``below``, as far as ``mask`` (n, 1, h, w) is set."""
    return torch.lerp(below, above, mask)


def at(masks: Tensor, points: Tensor) -> Tensor:
    """Whether masks (n, h, w) in [0, 1] are set at points (n, k, 2), False outside; (n, k)."""
    height, width = masks.shape[1:]
    x, y = points.round().long().unbind(2)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    rows = torch.arange(len(masks), device=masks.device)[:, None]
    return inside & (masks[rows, y.clamp(0, height - 1), x.clamp(0, width - 1)] > 0.5)


def as_pictures(stored: Tensor) -> Tensor:
    """Float (n, c, h, w) in 0..255 of stored uint8 (n, h, w, c)."""
    return stored.permute(0, 3, 1, 2).float()
