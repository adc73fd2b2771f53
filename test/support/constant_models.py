"""ONNX models that take images as real ones do, and always answer the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_KINDS = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "uint8": TensorProto.UINT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
}


def constant_model(
    path: Path,
    input_shape: Sequence[int | str],
    outputs: Mapping[str, np.ndarray],
    dtype: str = "float32",
    metadata: Mapping[str, str] | None = None,
    opset: int = 17,
    external: bool = False,
) -> Path:
    """A model with these outputs; with a named first size, they are repeated as often as asked."""
    nodes, initializers, infos = [], [], []
    free = isinstance(input_shape[0], str)
    if free:
        zero, one = (numpy_helper.from_array(np.array([n], np.int64), f"i{n}") for n in (0, 1))
        initializers += [zero, one]
        nodes.append(helper.make_node("Shape", ["image"], ["sides"]))
        nodes.append(helper.make_node("Slice", ["sides", "i0", "i1"], ["shape"]))
    for name, value in outputs.items():
        initializers.append(numpy_helper.from_array(value, f"{name}_value"))
        shape: list[int | str] = list(value.shape)
        if free and value.ndim > 1 and value.shape[0] == 1:
            ones = numpy_helper.from_array(np.ones(value.ndim - 1, np.int64), f"{name}_ones")
            initializers.append(ones)
            nodes.append(
                helper.make_node("Concat", ["shape", f"{name}_ones"], [f"{name}_n"], axis=0)
            )
            nodes.append(helper.make_node("Tile", [f"{name}_value", f"{name}_n"], [name]))
            shape[0] = input_shape[0]
        else:
            nodes.append(helper.make_node("Identity", [f"{name}_value"], [name]))
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        infos.append(helper.make_tensor_value_info(name, kind, shape))
    image = helper.make_tensor_value_info("image", _KINDS[dtype], list(input_shape))
    graph = helper.make_graph(nodes, "constant", [image], infos, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = min(model.ir_version, 11)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(
        model, str(path), save_as_external_data=external, size_threshold=0,
        location=f"{path.name}.data" if external else None,
    )  # fmt: skip
    return path
