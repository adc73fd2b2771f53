"""Muon for the network's matrices, AdamW for the rest.

Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024) replaces a
matrix's momentum by the nearest orthogonal matrix, so that every direction of a layer learns at
the same pace. 1x1 and strided convolutions count as matrices; depthwise kernels, norms, biases,
the stem and the last layers go to AdamW.

``torch.optim.Muon`` gives the same losses, but takes no convolutions and computes in bf16 on any
CPU: without bf16 instructions its step takes eighteen times as long as this one (4.3 and 0.23 s).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from training.common.device import has_bf16

# Coefficients of the quintic iteration, chosen by Jordan et al. for speed over exactness.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
_BETAS = (0.9, 0.99)
_EPS = 1e-8


@torch.no_grad()
def orthogonalise(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly, of (k, n, m): singular values near 1."""
    x = matrices.bfloat16() if has_bf16(matrices.device) else matrices.float()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C)
        x = torch.baddbmm(x, polynomial, x, beta=_A)
    return (x.mT if tall else x).to(matrices.dtype)


def is_matrix(name: str, value: Tensor) -> bool:
    """Whether Muon takes this parameter: hidden and dense, so neither the first nor the last."""
    outer = ("downsample_layers.0", "final_layer", "outputs")
    return (
        not any(part in name for part in outer)
        and value.ndim in (2, 4)
        and min(value.shape[:2]) > 8
    )


class Muon(torch.optim.Optimizer):
    """Both rules in one optimizer, at one rate.

    Args:
        named: the parameters with their names.
        rate: AdamW's rate. Muon's own is ``ratio`` times that, and more by the root of rows
            over columns where a matrix has more rows.
        decay: decoupled weight decay of all but norms and biases.
        ratio: see ``rate``.
        momentum: of Muon, with Nesterov's correction.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        rate: float,
        decay: float,
        ratio: float = 10.0,
        momentum: float = 0.95,
    ) -> None:
        groups: dict[str, list[nn.Parameter]] = {"matrix": [], "kernel": [], "plain": []}
        for name, value in named:
            kind = "matrix" if is_matrix(name, value) else "kernel" if value.ndim > 1 else "plain"
            groups[kind].append(value)
        settings = [
            # Divided by the ratio, so that all shrink at the same pace.
            {"params": groups["matrix"], "kind": "matrix", "decay": decay / ratio, "ratio": ratio},
            {"params": groups["kernel"], "kind": "kernel", "decay": decay, "ratio": 1.0},
            {"params": groups["plain"], "kind": "plain", "decay": 0.0, "ratio": 1.0},
        ]
        super().__init__([s for s in settings if s["params"]], {"lr": rate, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update of all parameters that have a gradient."""
        for group in self.param_groups:
            rate = group["lr"] * group["ratio"]
            update = self._matrices if group["kind"] == "matrix" else self._adam
            update([p for p in group["params"] if p.grad is not None], group, rate)

    def _matrices(self, values: list[nn.Parameter], group: dict[str, Any], rate: float) -> None:
        alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for value in values:
            alike[value.shape].append(value)
        for same in alike.values():
            ahead = []
            for value in same:
                state, grad = self.state[value], value.grad
                assert grad is not None
                if not state:
                    state["momentum"] = torch.zeros_like(value)
                state["momentum"].lerp_(grad, 1 - group["momentum"])
                ahead.append(grad.lerp(state["momentum"], group["momentum"]).flatten(1))
            steps = orthogonalise(torch.stack(ahead))
            scale = rate * max(1.0, steps.shape[1] / steps.shape[2]) ** 0.5
            for value, step in zip(same, steps, strict=True):
                value.mul_(1 - rate * group["decay"]).sub_(step.view(value.shape), alpha=scale)

    def _adam(self, values: list[nn.Parameter], group: dict[str, Any], rate: float) -> None:
        for value in values:
            if not self.state[value]:
                self.state[value] = {
                    "mean": torch.zeros_like(value),
                    "square": torch.zeros_like(value),
                    "step": torch.zeros((), device=value.device),
                }
        states = [self.state[value] for value in values]
        adamw(
            list(values),
            [value.grad for value in values if value.grad is not None],
            [state["mean"] for state in states],
            [state["square"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            lr=rate,
            weight_decay=group["decay"],
            eps=_EPS,
            maximize=False,
        )
