"""The averaged weights, and checkpoints that a training goes on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from training.common.schedule import Budget

EMA_DECAY = 0.998


def moving_average(network: nn.Module, decay: float = EMA_DECAY) -> AveragedModel:
    """Exponential moving average of weights and statistics, in ``.module``, to be evaluated.

    The first updates move it faster: ``decay`` from the start would keep the random initial
    weights for a thousand steps, which torch's ``get_ema_multi_avg_fn`` does.
    """

    def update(averages: Any, currents: Any, _: Tensor | int) -> None:
        if not averages[0].dtype.is_floating_point:  # the norms' counts of batches
            torch._foreach_copy_(averages, currents)
            return
        # The count that is given lies on the network's device: reading it would wait for that.
        count = int(average.n_averaged)
        torch._foreach_lerp_(averages, currents, 1 - min(decay, (1 + count) / (10 + count)))

    average = AveragedModel(network, multi_avg_fn=update, use_buffers=True)
    average.module.eval().requires_grad_(False)
    return average


def save_checkpoint(
    path: Path,
    network: nn.Module,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    budget: Budget,
    extra: dict[str, Any],
) -> None:
    """Write all that resuming needs, ``extra`` too; the averaged weights go under ``network``."""
    temporary = path.with_name(path.name + ".part")
    torch.save(
        {
            "network": average.module.state_dict(),
            "raw": network.state_dict(),
            "optimiser": optimizer.state_dict(),
            "updates": int(average.n_averaged),
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
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    budget: Budget,
) -> dict[str, Any] | None:
    """Continue from ``path`` where it exists; the ``extra`` of it, None where it does not."""
    if not path.exists():
        return None
    state = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(state["raw"])
    average.module.load_state_dict(state["network"])
    average.n_averaged.fill_(state["updates"])
    optimizer.load_state_dict(state["optimiser"])
    budget.step, budget.spent_s = state["step"], state["spent_s"]
    extra: dict[str, Any] = state["extra"]
    return extra
