"""Execution in torch of a graph read from a file."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

Name = TypeVar("Name", bound=Hashable)
Function = Callable[..., "Tensor | tuple[Tensor, ...]"]


class Step(NamedTuple, Generic[Name]):
    """A function with the names of its inputs and outputs."""

    function: Function
    sources: Sequence[Name]
    outputs: Sequence[Name]

    def compute(self, known: dict[Name, Tensor]) -> None:
        """Compute the outputs from the tensors in ``known``, and add them there."""
        made = self.function(*(known[name] for name in self.sources))
        made = made if isinstance(made, tuple) else (made,)
        known.update(zip(self.outputs, made, strict=True))


class Graph(Generic[Name]):
    """Steps in topological order; a tensor is freed after the last step that reads it.

    Args:
        steps: all of them.
        constants: tensors that they read.
        given: name of the input.
        outputs: names of the tensors to return.
    """

    def __init__(
        self,
        steps: Sequence[Step[Name]],
        constants: dict[Name, Tensor],
        given: Name,
        outputs: Sequence[Name],
    ) -> None:
        self.constants, self.given, self.outputs = constants, given, outputs
        wanted = {*outputs, *constants}
        self._steps: list[tuple[Step[Name], set[Name]]] = []
        for step in reversed(steps):
            # What no later step reads.
            over = {*step.sources, *step.outputs} - wanted
            wanted |= over
            self._steps.append((step, over))
        self._steps.reverse()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> list[Tensor]:
        """The tensors asked for, of images (n, 3, h, w) as the graph takes them."""
        known = {**self.constants, self.given: images}
        for step, over in self._steps:
            step.compute(known)
            for name in over:
                del known[name]
        return [known[name] for name in self.outputs]
