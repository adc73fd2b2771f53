"""A teacher's OpenVINO graph in torch, so that it runs on the device that training runs on.

OpenVINO itself is not needed to read it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.distillation.graph import Function, Graph, Step

Port = tuple[str, str]  # a layer and one of its outputs
KINDS = {"f16": np.float16, "f32": np.float32, "i32": np.int32, "i64": np.int64}


class Layer:
    """One layer of the file.

    Attributes:
        name: its number; kind: of ``OPERATORS``, or a constant; data: its attributes.
        inputs: shapes of what it is given; sources: where from.
        outputs: its ports, with their shapes, and the names of their tensors.
    """

    def __init__(self, found: ElementTree.Element, edges: dict[Port, Port]) -> None:
        self.name, self.kind = found.attrib["id"], found.attrib["type"]
        data = found.find("data")
        self.data: dict[str, str] = {} if data is None else data.attrib
        given = found.findall("input/port")
        self.inputs = [_shape(port) for port in given]
        self.sources = [edges[self.name, port.attrib["id"]] for port in given]
        made = found.findall("output/port")
        self.outputs = [(self.name, port.attrib["id"]) for port in made]
        self.shapes = [_shape(port) for port in made]
        self.tensors = [port.get("names") for port in made]
        if self.kind in OPERATORS:
            # The rest are shapes, axes and scales, which the shapes here say as well.
            self.sources = self.sources[: OPERATORS[self.kind][1]]

    def numbers(self, name: str) -> list[int]:
        """An attribute that is a list."""
        return [int(number) for number in self.data[name].split(",")]


def _shape(port: ElementTree.Element) -> list[int]:
    return [int(str(size.text)) for size in port.findall("dim")]


def _convolution(layer: Layer) -> Function:
    strides, padding = layer.numbers("strides"), layer.numbers("pads_begin")
    if padding != layer.numbers("pads_end"):
        raise ValueError(f"a convolution with uneven padding {layer.data}")
    weights = layer.inputs[1]
    if layer.kind == "Convolution":
        return lambda x, weight: functional.conv2d(x, weight, None, strides, padding)
    # Its weights are (groups, out, in, h, w).
    return lambda x, weight: functional.conv2d(
        x, weight.flatten(0, 1), None, strides, padding, groups=weights[0]
    )


def _interpolate(layer: Layer) -> Function:
    before, after = layer.inputs[0], layer.shapes[0]
    factor = after[2] / before[2], after[3] / before[3]
    if layer.data["mode"] == "nearest":
        return lambda x: functional.interpolate(x, scale_factor=factor)
    return lambda x: functional.interpolate(
        x, scale_factor=factor, mode="bilinear", align_corners=True
    )


def _reshape(layer: Layer) -> Function:
    before, after = layer.inputs[0], layer.shapes[0]
    # Channels are split into groups and joined again, whatever the pictures' size.
    if len(after) == len(before) + 1:
        return lambda x: x.unflatten(1, after[1:3])
    if len(after) == len(before) - 1:
        return lambda x: x.flatten(1, 2)
    # A bias.
    return lambda x: x.reshape(after)


def _transpose(layer: Layer) -> Function:
    if layer.shapes[0][1:3] != layer.inputs[0][2:0:-1]:
        raise ValueError(f"a transposition of {layer.inputs[0]} to {layer.shapes[0]}")
    return lambda x: x.transpose(1, 2)


# How a layer is computed, and how many of its inputs are read; None for all.
OPERATORS: dict[str, tuple[Callable[[Layer], Function], int | None]] = {
    "Add": (lambda _: torch.add, None),
    "Concat": (lambda layer: lambda *given: torch.cat(given, int(layer.data["axis"])), None),
    "Convert": (lambda _: lambda x: x.float(), None),
    "Convolution": (_convolution, None),
    "GroupConvolution": (_convolution, None),
    "Interpolate": (_interpolate, 1),
    "ReLU": (lambda _: functional.relu, None),
    "Reshape": (_reshape, 1),
    "Split": (lambda layer: lambda x: x.chunk(int(layer.data["num_splits"]), 1), 1),
    "Transpose": (_transpose, 1),
}


class IrGraph(Graph[Port]):
    """What an OpenVINO IR file computes, for any number of pictures of any size.

    Args:
        path: of the ``.xml``, the ``.bin`` beside it; it has one input, and no operators but
            ``OPERATORS`` before the outputs.
        outputs: names of the tensors to return.
        device: to compute on.

    Raises:
        ValueError: it has other operators, or no such tensor.
    """

    def __init__(self, path: Path, outputs: tuple[str, ...], device: torch.device) -> None:
        root = ElementTree.parse(path).getroot()
        edges = {
            (edge.attrib["to-layer"], edge.attrib["to-port"]): (
                edge.attrib["from-layer"], edge.attrib["from-port"],
            )
            for edge in root.iterfind("edges/edge")
        }  # fmt: skip
        layers = [Layer(found, edges) for found in root.iterfind("layers/layer")]
        named = {
            name: port
            for layer in layers
            for names, port in zip(layer.tensors, layer.outputs, strict=True)
            for name in (names or "").split(",")
        }
        unknown = [name for name in outputs if name not in named]
        if unknown:
            raise ValueError(f"{path}: no tensors {unknown}")
        wanted = [named[name] for name in outputs]
        needed = _needed(layers, wanted)
        kinds = {layer.kind for layer in needed} - OPERATORS.keys() - {"Parameter", "Const"}
        if kinds:
            raise ValueError(f"{path}: operators {sorted(kinds)}, known are {sorted(OPERATORS)}")
        stored = path.with_suffix(".bin").read_bytes()
        constants: dict[Port, Tensor] = {}
        steps: list[Step[Port]] = []
        for layer in needed:
            if layer.kind == "Parameter":
                given = layer.outputs[0]
            elif layer.kind == "Const":
                start, size = int(layer.data["offset"]), int(layer.data["size"])
                kind = KINDS[layer.data["element_type"]]
                values = np.frombuffer(stored[start : start + size], kind).copy()
                constant = torch.from_numpy(values).reshape(layer.shapes[0])
                constants[layer.outputs[0]] = constant.to(device)
            else:
                step = Step(OPERATORS[layer.kind][0](layer), layer.sources, layer.outputs)
                if all(port in constants for port in layer.sources):
                    # Weights are stored as float16: converted once rather than for each batch.
                    step.compute(constants)
                else:
                    steps.append(step)
        super().__init__(steps, constants, given, wanted)


def _needed(layers: list[Layer], outputs: list[Port]) -> list[Layer]:
    """Those that ``outputs`` are computed from, and these, in an order to compute them in."""
    makers = {port: layer for layer in layers for port in layer.outputs}
    order: dict[str, Layer] = {}
    waiting = [makers[port] for port in outputs]
    while waiting:
        layer = waiting[-1]
        missing = [makers[port] for port in layer.sources if port[0] not in order]
        if missing and layer.name not in order:
            waiting += missing
        else:
            order[waiting.pop().name] = layer
    return list(order.values())
