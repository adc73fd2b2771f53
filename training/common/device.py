"""What depends on the device that is trained on."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor

from pose_estimation_ros.engine.networks.convnextpose import IMAGENET_MEAN, IMAGENET_STD


def has_bf16(device: torch.device) -> bool:
    """Whether ``device`` computes bf16 itself: a CPU that emulates it takes ten times as long."""
    return device.type != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16", False)


def autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """bf16 arithmetic on ``device``, where it has it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device))


def normalise(images: Tensor, device: torch.device) -> Tensor:
    """uint8 RGB (n, h, w, 3) to a normalised float batch (n, 3, h, w), channels last."""

    x = images.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
    mean = torch.tensor(IMAGENET_MEAN, device=device).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=device).view(1, 3, 1, 1)
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)
