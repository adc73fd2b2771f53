"""A teacher's ONNX graph in torch, so that it runs on the device that training runs on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Attributes = dict[str, Any]
Operator = Callable[[Attributes, list[Any]], Tensor]


def _conv(attributes: Attributes, given: list[Any]) -> Tensor:
    top, left, bottom, right = attributes["pads"]
    if (top, left) != (bottom, right):
        raise ValueError(f"a convolution with uneven padding {attributes['pads']}")
    return functional.conv2d(
        *given, stride=attributes["strides"], padding=(top, left), groups=attributes["group"]
    )


def _max_pool(attributes: Attributes, given: list[Any]) -> Tensor:
    top, left, *_ = attributes["pads"]
    return functional.max_pool2d(
        given[0], attributes["kernel_shape"], attributes["strides"], (top, left)
    )


def _slice(_: Attributes, given: list[Any]) -> Tensor:
    x, *limits = given  # starts, ends, axes, steps
    chosen = [slice(None)] * x.ndim
    for start, end, axis, step in zip(*(limit.tolist() for limit in limits), strict=True):
        chosen[axis] = slice(start, end, step)
    part: Tensor = x[tuple(chosen)]
    return part


def _reshape(_: Attributes, given: list[Any]) -> Tensor:
    x, shape = given
    # The published graph is for one picture; of the batch's size nothing else depends.
    reshaped: Tensor = x.reshape(x.shape[0], *shape.tolist()[1:])
    return reshaped


OPERATORS: dict[str, Operator] = {
    "Add": lambda _, given: given[0] + given[1],
    "Concat": lambda attributes, given: torch.cat(given, attributes["axis"]),
    "Conv": _conv,
    "MaxPool": _max_pool,
    "Mul": lambda _, given: given[0] * given[1],
    "Reshape": _reshape,
    # The last input is the scales.
    "Resize": lambda _, given: functional.interpolate(
        given[0], scale_factor=tuple(given[-1].tolist()[2:]), mode="nearest"
    ),
    "Sigmoid": lambda _, given: given[0].sigmoid(),
    "Slice": _slice,
    "Transpose": lambda attributes, given: given[0].permute(*attributes["perm"]),
}


# Whose inputs after the first are shapes, scales and indices, which are read on the host.
ON_HOST = ("Reshape", "Resize", "Slice")


class OnnxGraph:
    """What an ONNX file computes, for any number of pictures of any size.

    Args:
        path: of the file; it has one input, and no operators but ``OPERATORS``.
        outputs: names of the tensors to return.
        device: to compute on.

    Raises:
        ValueError: it has other operators.
    """

    def __init__(self, path: Path, outputs: tuple[str, ...], device: torch.device) -> None:
        import onnx

        graph = onnx.load(path).graph
        unknown = {node.op_type for node in graph.node} - OPERATORS.keys()
        if unknown:
            raise ValueError(f"{path}: operators {sorted(unknown)}, known are {sorted(OPERATORS)}")
        self.input, self.outputs = graph.input[0].name, outputs
        self.nodes = [
            (
                OPERATORS[node.op_type],
                {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute},
                [name for name in node.input if name],
                node.output[0],
            )
            for node in graph.node
        ]
        read = {name for node in graph.node if node.op_type in ON_HOST for name in node.input[1:]}
        self.constants: dict[str, Tensor] = {}
        for value in graph.initializer:
            constant = torch.from_numpy(np.array(onnx.numpy_helper.to_array(value)))
            self.constants[value.name] = constant if value.name in read else constant.to(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> list[Tensor]:
        """The tensors asked for, of images (n, 3, h, w) as the graph takes them."""
        known = {**self.constants, self.input: images}
        for operator, attributes, names, output in self.nodes:
            known[output] = operator(attributes, [known[name] for name in names])
        return [known[name] for name in self.outputs]
