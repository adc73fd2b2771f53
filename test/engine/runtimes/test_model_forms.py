"""The forms in which files come: each is read right, or refused with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from constant_models import constant_model
from onnx import TensorProto, helper
from pose_families import CANVAS, FAMILIES, IMAGE, Placed, on_canvas, people

from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.geometry import crop_boxes
from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.engine.pose.pose_model import pose_model
from pose_estimation_ros.engine.pose.top_down import TopDownPose
from pose_estimation_ros.engine.runtimes import load_runtime
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import DetectorOptions

PIXELS = Image(np.full((IMAGE[1], IMAGE[0], 3), 90, np.uint8))
PLACED = people(17)
RUNTIMES = ["onnxruntime", "openvino"]


def one_stage(folder: Path, **more: Any) -> Path:
    family = FAMILIES[more.pop("family", "rtmo")]
    outputs = family.write(on_canvas(PLACED, family.anchor))
    shape = more.pop("shape", family.input_shape)
    half = more.pop("half", False)
    if half:
        outputs = {name: value.astype(np.float16) for name, value in outputs.items()}
    return constant_model(folder / "model.onnx", shape, outputs, **more)


def read(path: Path, runtime: str = "onnxruntime") -> None:
    """Checks that the people come back where the file puts them."""
    pytest.importorskip(runtime)
    model = pose_model(load_runtime(path, runtime), size=CANVAS)
    assert isinstance(model, OneStagePose)
    found, joints = model.people(PIXELS, DetectorOptions())
    np.testing.assert_allclose(found.boxes, PLACED.boxes, atol=1)
    np.testing.assert_allclose(joints.xy, PLACED.joints[..., :2], atol=1)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8", "int32", "int64"])
def test_inputs_of_every_type(tmp_path: Path, dtype: str, runtime: str) -> None:
    read(one_stage(tmp_path, dtype=dtype, half=dtype == "float16"), runtime)


@pytest.mark.parametrize("opset", range(11, onnx.defs.onnx_opset_version() + 1))
def test_every_opset_from_11_to_the_newest(tmp_path: Path, opset: int) -> None:
    read(one_stage(tmp_path, opset=opset))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_weights_in_another_file(tmp_path: Path, runtime: str) -> None:
    path = one_stage(tmp_path, external=True)
    assert path.stat().st_size < (tmp_path / "model.onnx.data").stat().st_size + 1000
    read(path, runtime)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"another file, .*model\.onnx\.data, which is missing"):
        load_runtime(path, runtime)


@pytest.mark.parametrize(
    "shape",
    [
        ("n", 3, CANVAS, CANVAS),
        ("n", "c", "h", "w"),
        (1, 3, "h", "w"),
        (2, 3, CANVAS, CANVAS),
    ],
)
def test_free_axes_and_fixed_batches(tmp_path: Path, shape: tuple) -> None:
    family = FAMILIES["rtmo"]
    # The canvas of a free size has the image's proportions: 320x240, and nobody is shifted.
    outputs = family.write(on_canvas(PLACED, "top_left"))
    if shape[0] == 2:
        outputs = {name: np.repeat(value, 2, axis=0) for name, value in outputs.items()}
    read(constant_model(tmp_path / "model.onnx", shape, outputs))


def top_down_outputs(height: int, width: int) -> tuple[Placed, dict[str, np.ndarray]]:
    """One person in the image, and what a SimCC model says of the crop."""
    placed = people(17, count=1)
    (shown,) = crop_boxes(placed.boxes, width / height, 1.25)
    joints = placed.joints.copy()
    joints[..., :2] = (joints[..., :2] - shown[:2]) / (shown[2:] - shown[:2]) * [width, height]
    write = FAMILIES["simcc"].write
    return placed, write(Placed(placed.boxes, placed.scores, joints))


@pytest.mark.parametrize("form", ["answers for the first", "takes one"])
def test_a_free_batch_that_is_not(tmp_path: Path, form: str) -> None:
    placed, outputs = top_down_outputs(256, 192)
    path = constant_model(tmp_path / "one.onnx", (1, 3, 256, 192), outputs)
    model = onnx.load(str(path))
    if form == "takes one":  # a shape that was frozen in the graph
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array([1, 3, 256, 192], np.int64), "frozen")
        )
        model.graph.node.insert(0, helper.make_node("Reshape", ["image", "frozen"], ["fixed"]))
        for node in model.graph.node[1:]:
            node.input[:] = ["fixed" if name == "image" else name for name in node.input]
        model.graph.output.append(
            helper.make_tensor_value_info("fixed", TensorProto.FLOAT, [1, 3, 256, 192])
        )
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.save(model, str(path))
    runtime = load_runtime(path, "onnxruntime")
    assert runtime.inputs[0].shape[0] is None
    pose = TopDownPose(runtime) if form != "takes one" else TopDownPose(Without(runtime, "fixed"))
    assert pose.batch == 1
    boxes = np.repeat(placed.boxes, 3, axis=0).astype(np.float32)
    joints = pose.estimate(PIXELS, boxes)
    for person in range(3):
        np.testing.assert_allclose(joints.xy[person], placed.joints[0, :, :2], atol=1)


class Without:
    """A runtime that keeps one of the outputs to itself."""

    def __init__(self, runtime: Any, output: str) -> None:
        self.name, self.path, self.metadata = runtime.name, runtime.path, runtime.metadata
        self.inputs = runtime.inputs
        self.outputs = [spec for spec in runtime.outputs if spec.name != output]
        self._run = runtime.run

    def run(self, *tensors: np.ndarray) -> list[np.ndarray]:
        return self._run(*tensors)[: len(self.outputs)]


def test_top_down_with_a_free_size_is_refused(tmp_path: Path) -> None:
    _, outputs = top_down_outputs(256, 192)
    path = constant_model(tmp_path / "free.onnx", ("n", 3, "h", "w"), outputs)
    with pytest.raises(ModelError, match=r"free\.onnx leaves its input size free.* export it"):
        pose_model(load_runtime(path, "onnxruntime"))


def test_top_down_that_only_takes_its_own_size_is_refused_likewise(tmp_path: Path) -> None:
    _, outputs = top_down_outputs(256, 192)
    path = constant_model(tmp_path / "own.onnx", (1, 3, 256, 192), outputs)
    model = onnx.load(str(path))
    frozen = onnx.numpy_helper.from_array(np.array([1, 3, 256, 192], np.int64), "frozen")
    model.graph.initializer.append(frozen)
    model.graph.node.append(helper.make_node("Reshape", ["image", "frozen"], ["fixed"]))
    fixed = helper.make_tensor_value_info("fixed", TensorProto.FLOAT, [1, 3, 256, 192])
    model.graph.output.append(fixed)
    for axis, name in ((2, "h"), (3, "w")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    onnx.save(model, str(path))
    with pytest.raises(ModelError, match=r"own\.onnx leaves its input size free"):
        pose_model(load_runtime(path, "onnxruntime"))


def test_a_newer_opset_or_format_says_what_to_do(tmp_path: Path) -> None:
    path = one_stage(tmp_path, opset=99)
    with pytest.raises(ModelError, match=r"newer than this ONNX Runtime knows: update it, or exp"):
        load_runtime(path, "onnxruntime")
    path = one_stage(tmp_path)
    model = onnx.load(str(path))
    model.ir_version = 99
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"format's version 99, and this ONNX Runtime reads up"):
        load_runtime(path, "onnxruntime")


def test_an_operator_of_another_library_is_named(tmp_path: Path) -> None:
    path = one_stage(tmp_path)
    model = onnx.load(str(path))
    model.graph.node.append(
        helper.make_node("TRTBatchedNMS", ["dets"], ["kept"], domain="mmdeploy")
    )
    model.opset_import.append(helper.make_opsetid("mmdeploy", 1))
    onnx.save(model, str(path))
    with pytest.raises(ModelError, match=r"the operator mmdeploy:TRTBatchedNMS, which ONNX Run"):
        load_runtime(path, "onnxruntime")


def test_pixels_of_a_type_that_holds_none_are_refused(tmp_path: Path) -> None:
    assert onnxruntime.get_available_providers()
    image = helper.make_tensor_value_info("image", TensorProto.INT8, [1, 3, 64, 64])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["out"])],
        "int8",
        [image],
        [helper.make_tensor_value_info("out", TensorProto.INT8, [1, 3, 64, 64])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "int8.onnx"
    onnx.save(model, str(path))
    for load in (NetworkDetector, TopDownPose):
        with pytest.raises(ModelError, match=r"'image' is of type int8: export .* uint8 or float"):
            load(load_runtime(path, "onnxruntime"))
