"""Pose models of a few nodes that always answer the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def fixed_pose_model(path: Path, joints: int = 17, nan_above: float = 256.0) -> Path:
    """A model of so many joints; NaN for crops whose mean brightness (0..255) is above a limit."""
    places = np.random.default_rng(0).uniform(40, 150, (1, joints, 3)).astype(np.float32)
    constants = {
        "limit": np.float32(nan_above),
        "nan": np.float32("nan"),
        "zero": np.float32(0),
        "row": np.array([-1, 1], np.int64),
        "block": np.array([-1, 1, 1], np.int64),
        "places": places,
        "sure": np.full((1, joints), 0.9, np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Greater", ["mean", "limit"], ["bright"]),
        helper.make_node("Where", ["bright", "nan", "zero"], ["spoilt"]),
        helper.make_node("Reshape", ["spoilt", "block"], ["cube"]),
        helper.make_node("Reshape", ["spoilt", "row"], ["column"]),
        helper.make_node("Add", ["cube", "places"], ["joints"]),
        helper.make_node("Add", ["column", "sure"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "fixed",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 192, 192, 3])],
        [
            helper.make_tensor_value_info("joints", TensorProto.FLOAT, ["n", joints, 3]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", joints]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path
