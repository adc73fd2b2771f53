"""A teacher's OpenVINO graph in torch, so that it runs on the device that training runs on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Step = Callable[..., Tensor]


def _convolution(node: Any) -> Step:
    attributes = node.get_attributes()
    if attributes["pads_begin"] != attributes["pads_end"]:
        raise ValueError(f"{node.get_friendly_name()}: a convolution with uneven padding")
    groups = (
        node.input(1).get_source_output().shape[0]
        if node.get_type_name() == "GroupConvolution"
        else 1
    )
    return lambda x, weight, bias=None: functional.conv2d(
        x, weight, bias, attributes["strides"], attributes["pads_begin"], groups=groups
    )


def _interpolate(node: Any) -> Step:
    before, after = node.input(0).get_source_output().shape, node.output(0).shape
    factor = after[2] / before[2], after[3] / before[3]
    if node.get_attributes()["mode"] == "nearest":
        return lambda x: functional.interpolate(x, scale_factor=factor)
    return lambda x: functional.interpolate(
        x, scale_factor=factor, mode="bilinear", align_corners=True
    )


def _reshape(node: Any) -> Step:
    # Only channels are split into groups and joined again, whatever the pictures' size.
    before, after = node.input(0).get_source_output().shape, node.output(0).shape
    if len(after) == len(before) + 1:
        return lambda x: x.unflatten(1, tuple(after[1:3]))
    if len(after) == len(before) - 1:
        return lambda x: x.flatten(1, 2)
    raise ValueError(f"{node.get_friendly_name()}: reshapes {before} to {after}")


def _split(node: Any) -> Step:
    count = node.get_attributes()["num_splits"]
    return lambda x: x.chunk(count, 1)  # type: ignore[return-value]


def _concat(node: Any) -> Step:
    axis = node.get_attributes()["axis"]
    return lambda *given: torch.cat(given, axis)


def _transpose(node: Any) -> Step:
    order = node.input(1).get_source_output().get_node().data.tolist()
    return lambda x: x.permute(order)


# How a node is computed, and how many of its inputs are read as tensors; None for all.
OPERATORS: dict[str, tuple[Callable[[Any], Step], int | None]] = {
    "Add": (lambda _: torch.add, None),
    "Concat": (_concat, None),
    "Convolution": (_convolution, None),
    "GroupConvolution": (_convolution, None),
    "Interpolate": (_interpolate, 1),
    "Relu": (lambda _: functional.relu, None),
    "Reshape": (_reshape, 1),
    "Split": (_split, 1),
    "Transpose": (_transpose, 1),
}


def _sources(node: Any) -> list[Any]:
    """The outputs that are read as tensors."""
    count = OPERATORS.get(node.get_type_name(), (None, None))[1]
    return [port.get_source_output() for port in node.inputs()[:count]]


def _needed(model: Any, outputs: list[str]) -> list[Any]:
    """The nodes that ``outputs`` are computed from, and these, in their order."""
    needed, nodes = set(outputs), []
    for node in reversed(model.get_ordered_ops()):
        if node.get_friendly_name() in needed:
            nodes.append(node)
            needed |= {source.get_node().get_friendly_name() for source in _sources(node)}
    return nodes[::-1]


class IrGraph:
    """What an OpenVINO IR file computes, for any number of pictures of any size.

    Args:
        path: of the ``.xml``; it has one input, and no operators but ``OPERATORS`` before
            the outputs.
        outputs: names of the tensors to return.
        device: to compute on.

    Raises:
        ValueError: it has other operators, or no such tensor.
    """

    def __init__(self, path: Path, outputs: tuple[str, ...], device: torch.device) -> None:
        import openvino

        model = openvino.Core().read_model(path)
        named = {
            name: node.get_friendly_name()
            for node in model.get_ordered_ops()
            if node.get_type_name() != "Result"
            for port in node.outputs()[:1]
            for name in port.get_names()
        }
        unknown = [name for name in outputs if name not in named]
        if unknown:
            raise ValueError(f"{path}: no tensors {unknown}")
        self.outputs = [named[name] for name in outputs]
        self.input = model.inputs[0].get_node().get_friendly_name()
        self.constants: dict[str, Tensor] = {}
        self.steps: list[tuple[str, Step, list[tuple[str, int]]]] = []
        joined: dict[str, str] = {}  # biases' sums, by the name of the convolution
        for node in _needed(model, self.outputs):
            name, kind = node.get_friendly_name(), node.get_type_name()
            if name == self.input:
                continue
            if kind in ("Constant", "Convert"):
                values = node if kind == "Constant" else _sources(node)[0].get_node()
                data = torch.from_numpy(np.array(values.data, np.float32))
                # Of a grouped convolution (groups, out, in, h, w).
                self.constants[name] = (data.flatten(0, 1) if data.ndim == 5 else data).to(device)
                continue
            names = [s.get_node().get_friendly_name() for s in _sources(node)]
            given = [
                (joined.get(n, n), s.get_index())
                for n, s in zip(names, _sources(node), strict=True)
            ]
            if kind == "Add" and self._is_bias(*names):
                # The convolution adds it itself.
                self.constants[names[1]] = self.constants[names[1]].flatten()
                self.steps[-1][2].append(given[1])
                joined[name] = names[0]
            elif kind in OPERATORS:
                self.steps.append((name, OPERATORS[kind][0](node), given))
            else:
                raise ValueError(f"{path}: operator {kind}, known are {sorted(OPERATORS)}")
        self.outputs = [joined.get(name, name) for name in self.outputs]

    def _is_bias(self, first: str, second: str) -> bool:
        if not self.steps or self.steps[-1][0] != first or second not in self.constants:
            return False
        shape = self.constants[second].shape
        return len(self.steps[-1][2]) == 2 and shape[0] == 1 and shape.numel() == shape[1]

    @torch.no_grad()
    def __call__(self, images: Tensor) -> list[Tensor]:
        """The tensors asked for, of images (n, 3, h, w) as the graph takes them."""
        known: dict[str, Any] = {**self.constants, self.input: images}
        for name, step, given in self.steps:
            values = [known[g] for g, _ in given]
            known[name] = step(
                *(
                    value[index] if isinstance(value, tuple) else value
                    for value, (_, index) in zip(values, given, strict=True)
                )
            )
        return [known[name] for name in self.outputs]
