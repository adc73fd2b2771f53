"""YOLO pose models of random weights are read as ultralytics itself reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_estimation_ros.engine import Frame, Image, Models
from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.execution.worker_pool import WorkerPool
from pose_estimation_ros.engine.pipelines import V4Pipeline
from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.engine.pose.pose_model import pose_model
from pose_estimation_ros.engine.runtimes import load_runtime
from pose_estimation_ros.settings import DetectorOptions, PipelineOptions, TrackingOptions

torch = pytest.importorskip("torch")
pytest.importorskip("ultralytics")

pytestmark = pytest.mark.slow

SIDE = 320
CONFIDENCE, IOU = 0.3, 0.45


def network(name: str, end2end: bool = False) -> Any:
    from pose_estimation_ros.engine.networks.checkpoints import quiet_ultralytics

    quiet_ultralytics()
    from ultralytics.nn.tasks import PoseModel

    torch.manual_seed(3)
    model = PoseModel(name, nc=1, verbose=False).eval()
    model.names = {0: "person"}
    head = model.model[-1]
    head._end2end = end2end
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():  # without statistics, what is seen fades away from layer to layer
        model.train()(torch.rand(1, 3, SIDE, SIDE))
    model.eval()
    for scores in head.one2one_cv3 if end2end else head.cv3:
        torch.nn.init.normal_(scores[-1].weight, std=0.2 if end2end else 0.04)
        torch.nn.init.constant_(scores[-1].bias, -3.0)  # so that some cells see somebody
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """yolo11n-pose as ultralytics exports it to ONNX."""
    import onnx

    path = tmp_path_factory.mktemp("ultralytics") / "yolo11n-pose.onnx"
    model = network("yolo11n-pose.yaml")
    model.model[-1].export, model.model[-1].format = True, "onnx"
    sample = torch.zeros(1, 3, SIDE, SIDE)
    torch.onnx.export(
        model, (sample,), str(path), input_names=["images"], output_names=["output0"],
        opset_version=17, dynamo=False,
    )  # fmt: skip
    written = onnx.load(str(path))
    names = {"task": "pose", "kpt_shape": "[17, 3]", "names": "{0: 'person'}", "stride": "32"}
    onnx.helper.set_model_props(written, names)
    onnx.save(written, str(path))
    return path


def as_ultralytics_reads(
    run: Callable[[Any], Any], pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (n, 4) and joints (n, 17, 3) px of the image, and scores (n,)."""
    from ultralytics.data.augment import LetterBox
    from ultralytics.utils import nms, ops

    canvas = LetterBox((SIDE, SIDE), auto=False)(image=pixels)
    tensor = np.ascontiguousarray(canvas[..., ::-1].transpose(2, 0, 1))[None] / np.float32(255)
    raw = run(tensor.astype(np.float32))
    selected = raw.shape[2] == 57
    (rows,) = nms.non_max_suppression(raw, CONFIDENCE, IOU, nc=1, end2end=selected)
    boxes = ops.scale_boxes((SIDE, SIDE), rows[:, :4].clone(), pixels.shape)
    joints = ops.scale_coords((SIDE, SIDE), rows[:, 6:].reshape(-1, 17, 3).clone(), pixels.shape)
    return boxes.numpy(), joints.numpy(), rows[:, 4].numpy()


def test_v4_agrees_with_ultralytics(exported: Path, scene_frames: list) -> None:
    runtime = load_runtime(exported, "onnxruntime")
    model = pose_model(runtime)
    assert isinstance(model, OneStagePose)
    detector = FallbackChain("detector", [Candidate.of("none", object)])
    pose = FallbackChain("pose model", [Candidate.of(exported.name, lambda: model)])
    options = PipelineOptions(
        DetectorOptions(CONFIDENCE, IOU, max_persons=256),
        min_pose_score=0.0,
        tracking=TrackingOptions(enabled=False),
    )
    pipeline = V4Pipeline(Models(detector, pose, WorkerPool(1)), options)
    for pixels in (scene_frames[0], scene_frames[-1][:, 100:400], scene_frames[5][::2, ::3]):
        pixels = np.ascontiguousarray(pixels)
        boxes, joints, scores = as_ultralytics_reads(
            lambda tensor: torch.from_numpy(runtime.run(tensor)[0]), pixels
        )
        assert len(boxes) >= 3, "there is something to compare"
        found, ours = model.people(Image(pixels), options.detector)
        np.testing.assert_allclose(found.scores, scores, atol=1e-3)
        np.testing.assert_allclose(found.boxes, boxes, atol=1)
        inside = np.clip(ours.xy, 0, pixels.shape[1::-1])  # as ultralytics clips them
        np.testing.assert_allclose(inside, joints[..., :2], atol=1)
        np.testing.assert_allclose(ours.scores, joints[..., 2], atol=1e-3)
        # The pipeline leaves out whose pose somebody else has, too, and nobody besides.
        published = pipeline.process(Frame(Image(pixels))).poses
        assert 1 <= len(published) <= len(boxes)
        theirs = np.concatenate([boxes.reshape(-1, 2, 2), joints[..., :2]], axis=1)
        for box, xy in zip(published.boxes, published.joints.xy, strict=True):
            inside = np.clip(xy, 0, pixels.shape[1::-1])
            mine = np.concatenate([box.reshape(2, 2), inside])
            assert np.abs(theirs - mine).max(axis=(1, 2)).min() <= 1


@pytest.mark.parametrize(
    ("name", "kind"), [("yolo11n-pose.yaml", "v8"), ("yolo26n-pose.yaml", "nms")]
)
def test_a_checkpoint_is_read_without_an_export(
    tmp_path: Path, scene_frames: list, name: str, kind: str
) -> None:
    source = network(name, end2end=kind == "nms")
    path = tmp_path / name.replace(".yaml", ".pt")
    torch.save({"model": source}, path)
    model = pose_model(load_runtime(path, "torch"))
    assert isinstance(model, OneStagePose) and model.skeleton.name == "coco17"

    def run(tensor: np.ndarray) -> Any:
        with torch.inference_mode():
            return source(torch.from_numpy(tensor))[0]

    pixels = np.ascontiguousarray(scene_frames[0][:SIDE, :SIDE])
    boxes, joints, _ = as_ultralytics_reads(run, pixels)
    found, ours = model.people(Image(pixels), DetectorOptions(CONFIDENCE, IOU, 256))
    # Weights of chance find boxes beside the image and inside out, too.
    theirs = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    mine = (found.boxes[:, 2:] > found.boxes[:, :2]).all(axis=1)
    assert mine.sum() == theirs.sum() >= 3, "there is something to compare"
    np.testing.assert_allclose(found.boxes[mine], boxes[theirs], atol=1)
    inside = np.clip(ours.xy[mine], 0, SIDE)
    np.testing.assert_allclose(inside, joints[theirs, :, :2], atol=1)


def test_int8_is_measured_by_people_and_their_joints(
    exported: Path, scene_frames: list, tmp_path: Path
) -> None:
    """Weights of chance do not survive it, which a measure of boxes alone would not tell so."""
    import cv2

    from pose_estimation_ros.errors import ModelError
    from pose_estimation_ros.model_zoo.conversion.quantize import quantise

    for index, pixels in enumerate(scene_frames[:8]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), pixels)
    with pytest.raises(ModelError, match=r"int8 costs yolo11n-pose\.onnx 0\.\d+ of its accuracy"):
        quantise(exported, tmp_path / "int8.onnx", tmp_path)
    assert not (tmp_path / "int8.onnx").exists()
