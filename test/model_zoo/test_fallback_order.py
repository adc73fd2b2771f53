"""A configuration becomes chains: the guide's file names, and every way to run a model."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pose_estimation_ros.engine import Frame, Image
from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.model_zoo.fallback_order import candidates_for, task_of
from pose_estimation_ros.model_zoo.pipeline_models import detector_size
from pose_estimation_ros.settings import EngineConfig, PipelineOptions


def names(task: str, models: list[str]) -> list[str]:
    return [c.name for c in candidates_for(task, models, lambda path, urgent: path)]


@pytest.fixture
def folder(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a user who followed the deployment guide."""
    place = tmp_path / "work"
    place.mkdir()
    shutil.copy(checkpoints / "yolov8n.pt", place)
    shutil.copy(checkpoints / "model_opt_S.pth", place)
    monkeypatch.chdir(place)
    return place


def test_without_names_there_are_the_embedded_models() -> None:
    assert names("detector", [""]) == ["person_detector"]
    assert names("pose", [""]) == ["convnextpose_xs_coco17"]


def test_in_int8_the_float_version_stands_behind() -> None:
    load = lambda path, urgent: path  # noqa: E731
    found = candidates_for("pose", ["mine.onnx"], load, int8=True)
    expected = ["mine.onnx", "convnextpose_xs_coco17_int8", "convnextpose_xs_coco17"]
    assert [candidate.name for candidate in found] == expected


@pytest.mark.parametrize(
    ("flags", "fast"), [({"avx2", "avx512_vnni"}, True), ({"asimddp"}, True), ({"avx2"}, False)]
)
def test_int8_and_the_larger_input_are_for_processors_that_compute_it_faster(
    flags: set[str], fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pose_estimation_ros.engine.execution.cpu_features.cpu_flags", lambda: frozenset(flags)
    )
    float_too = ("person_detector", 320)
    assert _active_and_side(EngineConfig()) == (
        ("person_detector_int8", 416) if fast else float_too
    )
    assert _active_and_side(EngineConfig(int8=False)) == float_too
    asked = EngineConfig(detector_size=640)
    assert _active_and_side(asked)[1] == detector_size(asked) == 640


def _active_and_side(config: EngineConfig) -> tuple[str, int]:
    """The active detector, and the longer side of the input that it is given."""
    models = build_models(config)
    active = models.detector.status.active
    detector = models.detector.call(lambda model: model)
    assert isinstance(detector, NetworkDetector)
    side = detector.prepare(Image(np.zeros((480, 640, 3), np.uint8))).width
    assert side == detector_size(config)
    models.close()
    return active, side


def test_a_detector_that_is_named_keeps_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pose_estimation_ros.model_zoo.pipeline_models._use_int8", lambda _: True)
    assert detector_size(EngineConfig()) == 416
    assert detector_size(EngineConfig(yolo_model="person_detector")) == 320
    assert detector_size(EngineConfig(yolo_model="yolo.onnx")) == 320


@pytest.mark.slow
def test_the_guides_server_configuration(folder: Path) -> None:
    (folder / "model_opt_S.onnx").write_bytes(b"x")
    wanted = ["yolov8n_optimized_conf0.3_iou0.45.onnx", "yolov8n.pt", "yolov5s.pt"]
    assert names("detector", wanted) == [
        "yolov8n_optimized_conf0.3_iou0.45.onnx",
        "yolov8n.pt converted to .onnx",
        "yolov8n.pt through PyTorch",
        "yolov5su.pt converted to .onnx",
        "yolov5su.pt through PyTorch",
        "person_detector",
    ]
    assert names("pose", ["model_opt_S.onnx"]) == [
        "model_opt_S.onnx",
        "model_opt_S.pth converted to .onnx",
        "model_opt_S.pth through PyTorch",
        "convnextpose_xs_coco17",
    ]


def test_a_checkpoint_uses_the_conversion_beside_it(folder: Path) -> None:
    (folder / "yolov8n.onnx").write_bytes(b"x")
    assert names("detector", ["yolov8n.pt"])[:2] == [
        "yolov8n.onnx",
        "yolov8n.pt converted to .onnx",
    ]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("yolov8n.pt", "detector"),
        ("model_opt_S.pth", "pose"),
        ("rtmpose_t", "pose"),
        ("yolox_nano", "detector"),
        ("model_opt_S.onnx", "pose"),
        ("something.onnx", "detector"),
    ],
)
def test_alternatives_go_to_the_chain_that_they_fit(name: str, task: str, folder: Path) -> None:
    assert task_of(name) == task


@pytest.mark.slow
def test_the_guides_files_work_as_given_and_the_next_start_converts_nothing(
    folder: Path, home: Path, scene_frames: list[np.ndarray]
) -> None:
    pytest.importorskip("onnx")
    config = EngineConfig(
        model_path="model_opt_S.pth",
        yolo_model="yolov8n_optimized_conf0.3_iou0.45.onnx",
        fallback_models=["yolov8n.pt", "yolov5s.pt"],
        num_workers=2,
        runtime="onnxruntime",
    )
    models = build_models(config)
    models.load()
    assert models.detector.status.active == "yolov8n.pt converted to .onnx"
    assert models.pose.status.active == "model_opt_S.pth converted to .onnx"
    result = build_pipeline("v4", models, PipelineOptions()).process(Frame(Image(scene_frames[0])))
    assert result.skeleton == "h36m18"
    models.close()
    converted = {path: path.stat().st_mtime_ns for path in (home / "converted").glob("*.onnx")}
    assert len(converted) == 2
    again = build_models(config)
    again.load()
    again.close()
    assert converted == {p: p.stat().st_mtime_ns for p in (home / "converted").glob("*.onnx")}
    assert sorted(p.name for p in folder.iterdir()) == ["model_opt_S.pth", "yolov8n.pt"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "f8"}, "precision: 'f8' is unknown"),
        ({"runtime": "abacus"}, "runtime: 'abacus' is unknown"),
        ({"call_timeout_s": -1.0}, "call_timeout_s: -1 is not from 0 to 3600"),
    ],
)
def test_settings_are_checked(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EngineConfig(**settings).check()


BARE = """
import sys
for name in ("torch", "torchvision", "ultralytics", "openvino", "ai_edge_litert", "onnx",
             "litert_torch", "jax", "matplotlib", "skimage", "scipy", "rosbags"):
    sys.modules[name] = None  # importing it fails, as where it is not installed
import numpy as np
from pose_estimation_ros.engine import Frame, Image
from pose_estimation_ros.settings import PipelineOptions
from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig
pixels = np.full((480, 640, 3), 114, np.uint8)
for pipeline in ("v3", "v4", "hybrid"):
    models = build_models(EngineConfig(pipeline=pipeline, runtime="auto"))
    models.load()
    running = build_pipeline(pipeline, models, PipelineOptions())
    for index in range(3):
        running.process(Frame(Image(pixels), stamp_s=index / 30))
    assert models.detector.status.index == 0, models.detector.status
    assert models.pose.status.index == 0, models.pose.status
    models.close()
print("fine")
"""


def test_the_base_install_runs_every_pipeline() -> None:
    """With none of torch, ultralytics, openvino and litert, and `runtime: auto`."""
    code = BARE
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "fine", run.stderr
    assert run.stderr == ""
