"""What both trainings share: schedule by progress, moving average, checkpoints, log."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import signal
import time
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn


class Budget:
    """How much training is left, by steps or by the wall clock.

    Args:
        steps: number of optimiser steps, or None.
        minutes: wall-clock minutes over all resumed parts, or None.

    Raises:
        ValueError: neither is given.
    """

    def __init__(self, steps: int | None, minutes: float | None) -> None:
        if not steps and not minutes:
            raise ValueError("give a number of passes, steps or minutes")
        self.steps, self.minutes = steps, minutes
        self.step = 0
        self.spent_s = 0.0
        self._mark = time.monotonic()

    def tick(self) -> None:
        """Count a step and its time."""
        now = time.monotonic()
        self.spent_s += now - self._mark
        self._mark = now
        self.step += 1

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, in [0, 1]; the first limit to be met counts."""
        shares = [0.0]
        if self.steps:
            shares.append(self.step / self.steps)
        if self.minutes:
            shares.append(self.spent_s / 60 / self.minutes)
        return min(max(shares), 1.0)


def rate_factor(
    budget: Budget, warm_up_steps: int = 100, floor: float = 0.01, hold: float = 0.0
) -> float:
    """Linear warm-up, 1 for the share ``hold`` of the budget, then cosine down to ``floor``.

    With ``hold`` 1 the rate never falls: what a later run with a falling rate starts from.
    """
    warm = min((budget.step + 1) / warm_up_steps, 1.0)
    falling = max(0.0, budget.progress - hold) / (1 - hold) if hold < 1 else 0.0
    return warm * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * falling)))


Network = TypeVar("Network", bound=nn.Module)


class Average(Generic[Network]):
    """Exponential moving average of a network's weights and statistics."""

    def __init__(self, network: Network, decay: float = 0.998) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards ``network``; quickly at first."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        own, new = self.network.state_dict(), network.state_dict()
        floats = [name for name, value in own.items() if value.dtype.is_floating_point]
        torch._foreach_lerp_([own[n] for n in floats], [new[n] for n in floats], 1 - decay)


def set_rate(optim: torch.optim.Optimizer, rate: float) -> None:
    """Set every group's learning rate."""
    for group in optim.param_groups:
        group["lr"] = rate


def has_bf16(device: torch.device) -> bool:
    """Whether ``device`` computes bf16 itself: a CPU that emulates it takes ten times as long."""
    return device.type != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16", False)


def autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """bf16 arithmetic on ``device``, where it has it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device))


def normalise(images: Tensor, device: torch.device) -> Tensor:
    """uint8 RGB (n, h, w, 3) to a normalised float batch (n, 3, h, w), channels last."""
    from pose_estimation_ros.engine.networks.convnextpose import IMAGENET_MEAN, IMAGENET_STD

    x = images.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
    mean = torch.tensor(IMAGENET_MEAN, device=device).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=device).view(1, 3, 1, 1)
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def save_checkpoint(
    path: Path, network: nn.Module, average: Average[Any], optim: torch.optim.Optimizer,
    budget: Budget, extra: dict[str, Any],
) -> None:  # fmt: skip
    """Write all that resuming needs, ``extra`` too; the averaged weights go under ``network``."""
    temporary = path.with_name(path.name + ".part")
    torch.save(
        {
            "network": average.network.state_dict(),
            "raw": network.state_dict(),
            "optimiser": optim.state_dict(),
            "updates": average.updates,
            "step": budget.step,
            "spent_s": budget.spent_s,
            "extra": extra,
        },
        temporary,
    )
    temporary.replace(path)


def resume(
    path: Path,
    network: nn.Module,
    average: Average[Any],
    optim: torch.optim.Optimizer,
    budget: Budget,
) -> dict[str, Any] | None:
    """Continue from ``path`` where it exists; what was saved beside, None where it does not."""
    if not path.exists():
        return None
    state = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(state["raw"])
    average.network.load_state_dict(state["network"])
    optim.load_state_dict(state["optimiser"])
    average.updates, budget.step = state["updates"], state["step"]
    budget.spent_s = state["spent_s"]
    extra: dict[str, Any] = state["extra"]
    return extra


class Stop:
    """Becomes true when the process is asked to end, so that it can save first."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            # Only the main thread may set handlers; elsewhere training just ends at its budget.
            with contextlib.suppress(ValueError):
                signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


class Log:
    """One JSON object a line, to a file and, shortly, to the screen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, **values: Any) -> None:
        """Append ``values`` with the time."""
        row = {"time": time.strftime("%H:%M:%S"), **values}
        row = {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)
