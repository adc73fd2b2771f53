"""Random numbers for batches, on one device."""

from __future__ import annotations

import torch
from torch import Tensor


class BatchRng:
    """Like numpy's generator, for tensors on one device.

    Args:
        seed: of all numbers.
        device: of the tensors.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self.generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers in [low, high)."""
        drawn = torch.rand(shape, generator=self.generator, device=self.device)
        return low + (high - low) * drawn

    def normal(self, deviation: float, *shape: int) -> Tensor:
        """Normal numbers around 0."""
        return torch.randn(shape, generator=self.generator, device=self.device) * deviation

    def chance(self, share: float, *shape: int) -> Tensor:
        """Bools, True with a probability of ``share``."""
        return torch.rand(shape, generator=self.generator, device=self.device) < share

    def sign(self, *shape: int) -> Tensor:
        """-1 or 1."""
        return self.chance(0.5, *shape) * 2.0 - 1.0

    def integers(self, limit: int, *shape: int) -> Tensor:
        """Whole numbers in [0, limit)."""
        return torch.randint(0, limit, shape, generator=self.generator, device=self.device)

    def choice(self, values: Tensor, *shape: int) -> Tensor:
        """Random ones of ``values`` (k,)."""
        return values[self.integers(len(values), *shape)]

    def permutation(self, count: int) -> Tensor:
        """0 to ``count`` - 1 in a random order; its first part is a random subset."""
        return torch.randperm(count, generator=self.generator, device=self.device)
