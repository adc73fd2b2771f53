"""Depthwise convolutions get channels of zeros, where they may, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from paths import ROOT

onnx = pytest.importorskip("onnx", reason="graphs are changed with onnx")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from pose_estimation_ros.model_zoo.conversion.channel_padding import (  # noqa: E402
    pad_depthwise_channels,
)
from pose_estimation_ros.model_zoo.conversion.quantize import fold  # noqa: E402

CHANNELS = 40


def network(*more_outputs: str, shared: bool = False, channels: int = CHANNELS) -> onnx.ModelProto:
    """Two blocks with a residual sum, as in ConvNeXt; `shared`: of the same depthwise weights."""
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(0, 0.2, shape).astype(np.float32), name)

    second = "deep" if shared else "deep_2"
    nodes = [
        helper.make_node("Conv", ["image", "stem", "stem_bias"], ["a"]),
        helper.make_node("Conv", ["a", "deep"], ["b"], group=channels, pads=[1] * 4),
        helper.make_node("BatchNormalization", ["b", "scale", "bias", "mean", "variance"], ["c"]),
        helper.make_node("Conv", ["c", "wide"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("Conv", ["e", "narrow"], ["f"]),
        helper.make_node("Add", ["a", "f"], ["g"]),
        helper.make_node("Conv", ["g", second], ["h"], group=channels, pads=[1] * 4),
        helper.make_node("Conv", ["h", "last"], ["out"]),
    ]
    deep = [weight("deep", channels, 1, 3, 3)]
    deep += [] if shared else [weight("deep_2", channels, 1, 3, 3)]
    weights = [
        weight("stem", channels, 3, 1, 1),
        weight("stem_bias", channels),
        *deep,
        *(weight(name, channels) for name in ("scale", "bias", "mean")),
        numpy_helper.from_array(np.full(channels, 0.5, np.float32), "variance"),
        weight("wide", 4 * channels, channels, 1, 1),
        weight("narrow", channels, 4 * channels, 1, 1),
        weight("last", 5, channels, 1, 1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 12, 16])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, 12, 16])
        for name in ("out", *more_outputs)
    ]
    graph = helper.make_graph(nodes, "blocks", [image], outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answers(model: onnx.ModelProto, image: np.ndarray) -> list[np.ndarray]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, {session.get_inputs()[0].name: image})
    return found


def groups(model: onnx.ModelProto) -> list[int]:
    """Channels of the depthwise convolutions."""
    return [one.i for node in model.graph.node for one in node.attribute if one.name == "group"]


def test_a_network_with_more_channels_computes_the_same() -> None:
    image = np.random.default_rng(1).normal(size=(1, 3, 12, 16)).astype(np.float32)
    model = network()
    expected = answers(model, image)
    assert pad_depthwise_channels(model) == 2
    onnx.checker.check_model(model)
    assert groups(model) == [48, 48]
    np.testing.assert_allclose(answers(model, image)[0], expected[0], atol=1e-5)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (network("g"), "the channels are given out"),
        (network(shared=True), "two layers have the same weights"),
        (network(channels=32), "there is nothing to gain"),
        (network(channels=20), "there would be more than half as many again"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_widened_stays(model: onnx.ModelProto, why: str) -> None:
    before = model.SerializeToString(deterministic=True)
    assert pad_depthwise_channels(model) == 0
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("person_detector", (1, 96, 160, 3), 1),
        ("convnextpose_xs_coco17", (2, 192, 192, 3), 2),
    ],
)
def test_the_embedded_networks_are_widened(
    name: str, shape: tuple[int, ...], count: int, tmp_path: Path
) -> None:
    model = fold(ROOT / "models" / f"{name}.onnx", tmp_path / "folded.onnx")
    image = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    expected = answers(model, image)
    assert pad_depthwise_channels(model) == count
    assert all(channels % 16 == 0 for channels in groups(model) if channels > 1)
    for got, wanted in zip(answers(model, image), expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-3)
