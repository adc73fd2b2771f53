"""A teacher's ONNX graph in torch, so that it runs on the device that training runs on.

onnx2torch computes the same for one picture of the published size, but no batches, no other
sizes, and not without torchvision.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.distillation.graph import Graph, Step

Attributes = dict[str, Any]
Operator = Callable[..., Tensor]  # of the attributes and of what it is given


def _conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = attributes["pads"]
    if (top, left) != (bottom, right):
        raise ValueError(f"a convolution with uneven padding {attributes['pads']}")
    return functional.conv2d(
        x,
        weight,
        bias,
        stride=attributes["strides"],
        padding=(top, left),
        groups=attributes["group"],
    )


def _max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    top, left, *_ = attributes["pads"]
    return functional.max_pool2d(x, attributes["kernel_shape"], attributes["strides"], (top, left))


def _slice(_: Attributes, x: Tensor, *limits: Tensor) -> Tensor:
    # They are starts, ends, axes, steps.
    chosen = [slice(None)] * x.ndim
    for start, end, axis, step in zip(*(limit.tolist() for limit in limits), strict=True):
        chosen[axis] = slice(start, end, step)
    part: Tensor = x[tuple(chosen)]
    return part


def _reshape(_: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    # The published graph is for one picture; of the batch's size nothing else depends.
    reshaped: Tensor = x.reshape(x.shape[0], *shape.tolist()[1:])
    return reshaped


OPERATORS: dict[str, Operator] = {
    "Add": lambda _, x, y: x + y,
    "Concat": lambda attributes, *given: torch.cat(given, attributes["axis"]),
    "Conv": _conv,
    "MaxPool": _max_pool,
    "Mul": lambda _, x, y: x * y,
    "Reshape": _reshape,
    # The last input is the scales.
    "Resize": lambda _, *given: functional.interpolate(
        given[0], scale_factor=tuple(given[-1].tolist()[2:]), mode="nearest"
    ),
    "Sigmoid": lambda _, x: x.sigmoid(),
    "Slice": _slice,
    "Transpose": lambda attributes, x: x.permute(*attributes["perm"]),
}


# Whose inputs after the first are shapes, scales and indices, which are read on the host.
ON_HOST = ("Reshape", "Resize", "Slice")


class OnnxGraph(Graph[str]):
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
        steps = [
            Step(
                partial(
                    OPERATORS[node.op_type],
                    {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute},
                ),
                [name for name in node.input if name],
                [node.output[0]],
            )
            for node in graph.node
        ]
        read = {name for node in graph.node if node.op_type in ON_HOST for name in node.input[1:]}
        constants: dict[str, Tensor] = {}
        for value in graph.initializer:
            constant = torch.from_numpy(np.array(onnx.numpy_helper.to_array(value)))
            constants[value.name] = constant if value.name in read else constant.to(device)
        super().__init__(steps, constants, graph.input[0].name, outputs)
