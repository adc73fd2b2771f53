"""Feature distillation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

ADAPTER_RATE = 2e-3


class FeatureAdapters(nn.Module):
    """Compares a student's features with a teacher's at the same positions.

    The student's features may be a linear map of the teacher's: adapters, 1x1 convolutions that
    are trained with the network and thrown away, learn that map. Both sides are normalised.

    Args:
        widths: channels of the network's and of the teacher's features, a pair each.
        device: to compute on.
    """

    def __init__(self, widths: Sequence[tuple[int, int]], device: torch.device) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(own, affine=False), nn.Conv2d(own, given, 1))
            for own, given in widths
        ).to(device)
        norms = (nn.BatchNorm2d(given, affine=False) for _, given in widths)
        self.norms = nn.ModuleList(norms).to(device)
        self._optimizer = torch.optim.AdamW(self.maps.parameters(), ADAPTER_RATE)

    def forward(self, own: Sequence[Tensor], given: Sequence[Tensor]) -> Tensor:
        """Mean squared error of features (n, c, h, w); 1: none of their variance is explained."""
        # The adapters' step for the last batch, whose gradients came after its call.
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        losses = [
            functional.mse_loss(adapter(mine.float()), norm(theirs.float()))
            for adapter, norm, mine, theirs in zip(self.maps, self.norms, own, given, strict=True)
        ]
        return torch.stack(losses).mean()
