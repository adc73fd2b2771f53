"""Pose models that are as slow as a test needs them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

_TRIAL = 40


def slow_pose_model(path: Path, milliseconds: float, threads: int = 2) -> Path:
    """A pose model that takes about so long for a call on this machine, with so many threads.

    It answers joints at rest, after a real computation.
    """
    _write(path, _TRIAL)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    feed = {"image": np.zeros((1, 192, 192, 3), np.uint8)}
    times = []
    for _ in range(4):
        began = time.perf_counter()
        session.run(None, feed)
        times.append(1e3 * (time.perf_counter() - began))
    return _write(path, round(_TRIAL * milliseconds / min(times)))


def _write(path: Path, multiplications: int) -> Path:
    size = 512
    weight = np.full((size, size), 1.0 / size, np.float32)
    nodes = [helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT)]
    nodes.append(helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=1))
    nodes.append(helper.make_node("Mul", ["mean", "weight"], ["x0"]))
    nodes += [
        helper.make_node("MatMul", [f"x{index}", "weight"], [f"x{index + 1}"])
        for index in range(multiplications)
    ]
    last = f"x{multiplications}"
    nodes.append(helper.make_node("ReduceMean", [last], ["one"], axes=[1, 2, 3], keepdims=0))
    nodes.append(helper.make_node("Mul", ["one", "zero"], ["nothing"]))
    nodes.append(helper.make_node("Reshape", ["nothing", "row"], ["column"]))
    nodes.append(helper.make_node("Reshape", ["nothing", "block"], ["cube"]))
    nodes.append(helper.make_node("Add", ["cube", "rest"], ["joints"]))
    nodes.append(helper.make_node("Add", ["column", "sure"], ["scores"]))
    rest = np.random.default_rng(0).uniform(40, 150, (1, 17, 3)).astype(np.float32)
    constants = {
        "weight": weight,
        "zero": np.zeros(1, np.float32),
        "row": np.array([-1, 1], np.int64),
        "block": np.array([-1, 1, 1], np.int64),
        "rest": rest,
        "sure": np.full((1, 17), 0.9, np.float32),
    }
    graph = helper.make_graph(
        *(nodes, "slow"),
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 192, 192, 3])],
        [
            helper.make_tensor_value_info("joints", TensorProto.FLOAT, ["n", 17, 3]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 17]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path
