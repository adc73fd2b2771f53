"""Distances: from the box, from a RootNet, from a depth image; and joints in metres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from paths import ROOT

from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.pose.positions_3d import positions_in_metres
from pose_estimation_ros.engine.pose.root_depth import BoxDepth, RootDepth, RootNet, depth_at
from pose_estimation_ros.engine.poses import (
    DEPTH_BOX,
    DEPTH_DEPTH_IMAGE,
    DEPTH_ROOTNET,
    JointEstimates,
)
from pose_estimation_ros.engine.runtimes import load_runtime
from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.errors import ModelError

CAMERA = CameraModel(1000, 1000, 320, 240)
IMAGE = Image(np.zeros((480, 640, 3), np.uint8))
BOXES = np.array([[270, 40, 370, 440], [100, 100, 180, 300]], np.float32)


def _rootnet(path: Path, factor: float) -> Path:
    """A network of RootNet's form whose learned factor is constant: depth = factor x k."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
            helper.make_node("Reshape", ["nothing", "column"], ["blank"]),
            helper.make_node("Mul", ["k", "factor"], ["scaled"]),
            helper.make_node("Add", ["scaled", "blank"], ["z"]),
            helper.make_node("Concat", ["blank", "blank", "z"], ["root"], axis=1),
        ],
        "rootnet",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 256, 256]),
            helper.make_tensor_value_info("k", TensorProto.FLOAT, ["n", 1]),
        ],
        [helper.make_tensor_value_info("root", TensorProto.FLOAT, ["n", 3])],
        [
            helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
            helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor]),
            helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def _joints(n: int) -> JointEstimates:
    xy = np.tile(((BOXES[:n, :2] + BOXES[:n, 2:]) / 2)[:, None], (1, 17, 1))
    return JointEstimates(
        xy.astype(np.float32), np.ones((n, 17), np.float32), np.zeros((n, 17), np.float32)
    )


def _chain(*ways: RootDepth) -> FallbackChain[RootDepth]:
    return FallbackChain(
        "root depth", [Candidate.of(way.name, lambda way=way: way) for way in ways]
    )


def test_a_box_that_spans_two_metres_gives_its_distance() -> None:
    # Made square and enlarged, the first box is 500 px high: 2 m at 4 m with this focal length.
    np.testing.assert_allclose(BoxDepth().depths(IMAGE, BOXES[:1], CAMERA), [4.0], rtol=1e-6)
    twice = BOXES[:1] / 2
    np.testing.assert_allclose(BoxDepth().depths(IMAGE, twice, CAMERA), [8.0], rtol=1e-6)


def test_rootnet_scales_the_boxes_distance(tmp_path: Path) -> None:
    net = RootNet(load_runtime(_rootnet(tmp_path / "root.onnx", 0.8), "onnxruntime"))
    expected = 0.8 * BoxDepth().depths(IMAGE, BOXES, CAMERA)
    np.testing.assert_allclose(net.depths(IMAGE, BOXES, CAMERA), expected, rtol=1e-5)
    chain = _chain(net, BoxDepth())
    positions, sources = positions_in_metres(
        Frame(IMAGE, camera=CAMERA), _joints(2), BOXES, COCO17, chain
    )
    assert sources.tolist() == [DEPTH_ROOTNET] * 2
    np.testing.assert_allclose(positions[:, 0, 2], expected, rtol=1e-5)


def test_a_rootnet_that_answers_nonsense_is_left_for_the_box(tmp_path: Path) -> None:
    net = RootNet(load_runtime(_rootnet(tmp_path / "root.onnx", -1.0), "onnxruntime"))
    with pytest.raises(ModelError, match="not positive"):
        net.depths(IMAGE, BOXES, CAMERA)
    chain = _chain(net, BoxDepth())
    _, sources = positions_in_metres(Frame(IMAGE, camera=CAMERA), _joints(2), BOXES, COCO17, chain)
    assert sources.tolist() == [DEPTH_BOX] * 2


def test_another_model_is_refused_as_rootnet() -> None:
    path = ROOT / "models" / "convnextpose_xs_coco17.onnx"
    with pytest.raises(ModelError, match=r"expected those of RootNet"):
        RootNet(load_runtime(path, "onnxruntime"))


def test_a_depth_image_comes_first_and_holes_fall_back() -> None:
    depth = np.zeros((480, 640), np.float32)
    depth[200:280, 280:360] = 2.5  # around the first person's hips only
    frame = Frame(IMAGE, camera=CAMERA, depth_m=depth)
    positions, sources = positions_in_metres(frame, _joints(2), BOXES, COCO17, _chain(BoxDepth()))
    assert sources.tolist() == [DEPTH_DEPTH_IMAGE, DEPTH_BOX]
    np.testing.assert_allclose(positions[0, :, 2], 2.5)
    np.testing.assert_allclose(positions[0, 0, :2], [0, 0], atol=1e-6)


def test_who_is_cut_off_above_the_hips_is_as_far_as_what_is_seen_of_them() -> None:
    depth = np.full((480, 640), 6.0, np.float32)  # a wall
    depth[60:200, 280:360] = 2.5  # a head and shoulders before it
    joints = _joints(1)
    joints.scores[:] = 0.05
    joints.scores[0, :7] = 0.1, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7
    joints.xy[0, :7] = (10, 10), (310, 80), (330, 80), (300, 80), (340, 80), (290, 150), (350, 150)
    joints.z_m[0, 5:7] = -0.2, -0.1
    joints.z_m[0, 1:5] = -0.15
    joints.z_m[0, 3] = np.nan  # not every model places every joint
    frame = Frame(IMAGE, camera=CAMERA, depth_m=depth)
    positions, sources = positions_in_metres(frame, joints, BOXES[:1], COCO17, _chain(BoxDepth()))
    assert sources.tolist() == [DEPTH_DEPTH_IMAGE]
    # The nose is on the wall but among the least sure.
    np.testing.assert_allclose(positions[0, 11:13, 2], 2.65, atol=1e-5)
    np.testing.assert_allclose(positions[0, [1, 2, 4], 2], 2.5, atol=1e-5)

    joints.scores[:] = 0.05  # nothing is seen for sure
    positions, sources = positions_in_metres(frame, joints, BOXES[:1], COCO17, _chain(BoxDepth()))
    assert sources.tolist() == [DEPTH_BOX]


def test_hips_in_a_hole_are_as_far_as_the_other_joints_say() -> None:
    depth = np.full((480, 640), 2.5, np.float32)
    depth[200:280, 280:360] = np.nan  # black trousers
    joints = _joints(1)
    joints.xy[0, :5] = 320, 80
    joints.z_m[0, :5] = 0.25
    joints.scores[0, 5:] = 0.5
    frame = Frame(IMAGE, camera=CAMERA, depth_m=depth)
    positions, sources = positions_in_metres(frame, joints, BOXES[:1], COCO17, _chain(BoxDepth()))
    assert sources.tolist() == [DEPTH_DEPTH_IMAGE]
    np.testing.assert_allclose(positions[0, 11:13, 2], 2.25, atol=1e-5)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((320, 240), 2.0),  # half of the patch is a hole, the rest counts
        ((10, 10), np.nan),  # only holes
        ((-50, 10), np.nan),  # outside
        ((640, 480), np.nan),
        ((np.nan, 3), np.nan),
        ((639.9, 479.9), 7.0),  # at the edge
    ],
)
def test_depth_at_a_pixel(point: tuple, expected: float) -> None:
    depth = np.zeros((240, 320), np.float32)  # half the image's size
    depth[:, 160:] = 2.0
    depth[::2, ::2] = np.nan
    depth[-4:, -4:] = 7.0
    depth[:40, :40] = 0
    np.testing.assert_equal(depth_at(depth, np.array(point), (640, 480)), np.float64(expected))


def test_a_hole_is_looked_around_and_the_background_is_not_taken_for_the_person() -> None:
    depth = np.full((480, 640), 6.0, np.float32)  # a wall
    depth[100:400, 300:340] = 2.0  # somebody slim before it
    size, centre = (640, 480), np.array([320, 240])
    depth[232:249, 312:329] = 0  # with a shining belt buckle
    assert depth_at(depth, centre, size) == 2.0
    assert depth_at(depth, np.array([338, 300]), size) == 2.0, "at the edge the near side counts"
    depth[200:280, 280:360] = np.nan
    assert np.isnan(depth_at(depth, centre, size)), "too large a hole to look around"
    speckled = np.full((480, 640), 3.0, np.float32)
    speckled[::3, ::3] = 0.2  # flying pixels, few and near
    assert depth_at(speckled, centre, size) == 3.0
