"""Channels that a network lacks for fast int8: depthwise convolutions of a multiple of 16.

ONNX Runtime computes depthwise convolutions in int8 in blocks of 16 channels, and those beyond the
last whole block one by one: 40 channels of 80x104 px take 1.1 ms, 48 take 0.5. Channels of zeros
change no output.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray

if TYPE_CHECKING:
    import onnx

_BLOCK = 16
_MOST_MORE = 0.25  # of the channels: more cost as much as they bring
_PLAIN = ("Add", "Relu")  # a channel of the output is of that of the inputs
_NEUTRAL = (0.0, 0.0, 0.0, 1.0)  # scale, bias, mean and variance of a norm's further channels


def pad_depthwise_channels(model: onnx.ModelProto) -> int:
    """Adds channels of zeros, in place, to every depthwise convolution that gains by them.

    The tensors that have the same channels are found through sums, norms and activations to the
    convolutions that make and take them. Where they reach anything else, all stays as it is.

    Returns:
        How many depthwise convolutions were widened.
    """
    return _Padding(model).run()


class _Padding:
    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._weights = {one.name: one for one in self._graph.initializer}
        self._makers = {name: node for node in self._graph.node for name in node.output}
        self._takers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self._graph.node:
            for name in set(node.input):
                self._takers[name].append(node)

    def run(self) -> int:
        done = set[str]()
        widened = 0
        for node in list(self._graph.node):
            channels = self._depthwise_channels(node)
            more = -channels % _BLOCK
            if not channels or not more or more > _MOST_MORE * channels or node.input[0] in done:
                continue
            values = self._alike(node.input[0], channels)
            done |= values or {node.input[0]}
            if values:
                self._widen(values, channels, more)
                widened += sum(self._depthwise_channels(n) > 0 for n in self._takers_of(values))
        if widened:
            del self._graph.value_info[:]  # shapes that no longer hold
        return widened

    def _depthwise_channels(self, node: onnx.NodeProto) -> int:
        """Of a depthwise convolution; 0 for any other node."""
        if node.op_type != "Conv" or node.input[1] not in self._weights:
            return 0
        shape = self._weights[node.input[1]].dims
        return int(shape[0]) if _groups(node) == shape[0] > 1 and shape[1] == 1 else 0

    def _is_dense(self, node: onnx.NodeProto) -> bool:
        return node.op_type == "Conv" and _groups(node) == 1 and node.input[1] in self._weights

    def _takers_of(self, values: set[str]) -> Iterator[onnx.NodeProto]:
        seen = set[str]()
        for value in values:
            for node in self._takers[value]:
                if node.output[0] not in seen:
                    seen.add(node.output[0])
                    yield node

    def _alike(self, start: str, channels: int) -> set[str]:
        """The values that must be widened together; none where that is not possible."""
        ahead, found = [start], set[str]()
        outputs = {output.name for output in self._graph.output}
        while ahead:
            value = ahead.pop()
            if value in found:
                continue
            found.add(value)
            if value in outputs or value not in self._makers:
                return set()
            for node in (self._makers[value], *self._takers[value]):
                alone = self._own(node.input[1:])
                if alone and self._is_dense(node):
                    continue
                same = self._depthwise_channels(node) == channels
                if alone and (same or node.op_type == "BatchNormalization"):
                    ahead += [node.input[0], node.output[0]]
                elif node.op_type in _PLAIN and not self._weights.keys() & set(node.input):
                    ahead += [*node.input, node.output[0]]
                else:
                    return set()
        return found

    def _own(self, names: list[str]) -> bool:
        """Whether the weights are constants of this node alone."""
        given = [name for name in names if name]
        return all(name in self._weights and len(self._takers[name]) == 1 for name in given)

    def _widen(self, values: set[str], channels: int, more: int) -> None:
        makers = {self._makers[value].output[0]: self._makers[value] for value in values}
        for node in makers.values():
            if node.op_type == "Conv":
                for name in node.input[1:]:
                    self._pad(name, 0, more)
            elif node.op_type == "BatchNormalization":
                for name, fill in zip(node.input[1:], _NEUTRAL, strict=True):
                    self._pad(name, 0, more, fill)
            for one in node.attribute:
                if one.name == "group" and one.i == channels:
                    one.i += more
        for node in self._takers_of(values):
            if self._is_dense(node):
                self._pad(node.input[1], 1, more)

    def _pad(self, name: str, axis: int, more: int, fill: float = 0.0) -> None:
        if not name:
            return
        from onnx import numpy_helper

        values: AnyArray = numpy_helper.to_array(self._weights[name])
        width = [(0, more if i == axis else 0) for i in range(values.ndim)]
        padded = np.pad(values, width, constant_values=fill)
        self._weights[name].CopyFrom(numpy_helper.from_array(padded, name))


def _groups(convolution: onnx.NodeProto) -> int:
    return next((int(one.i) for one in convolution.attribute if one.name == "group"), 1)
