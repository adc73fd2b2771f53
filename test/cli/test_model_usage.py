"""Figures and poses are those of the model that was named, or the command says and fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from calls import call
from fixed_models import fixed_pose_model
from recordings import IMAGE, write_bag

from pose_estimation_ros.cli._model_usage import ModelUsage, load_complaint, worst
from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.execution.worker_pool import WorkerPool
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.errors import ConfigError, ModelError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.model_zoo.manifest import packaged_manifest
from pose_estimation_ros.settings import EngineConfig

_video, _bag, _evaluate = (partial(call, name) for name in ("video", "bag", "evaluate"))
BRIGHT_FROM = 3


@pytest.fixture(scope="module")
def frames(scene_frames: list) -> list:
    """Six frames, first three dark ones, then three bright ones."""
    dark = [frame // 2 for frame in scene_frames[:6]]
    return [pixels if i < BRIGHT_FROM else 120 + pixels for i, pixels in enumerate(dark)]


@pytest.fixture(scope="module")
def folder(frames: list, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    for index, pixels in enumerate(frames):
        cv2.imwrite(str(path / f"{index}.png"), pixels)
    return path


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fixed_pose_model(tmp_path_factory.mktemp("refused") / "five_joints.onnx", joints=5)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers dark crops, and gives NaN for bright ones."""
    return fixed_pose_model(tmp_path_factory.mktemp("nan") / "night_only.onnx", nan_above=125)


def test_a_named_model_that_is_refused_ends_the_command(
    folder: Path, refused: Path, tmp_path: Path
) -> None:
    poses = tmp_path / "poses.jsonl"
    run = _video(folder, "--json", poses, "--model-path", refused, code=3)
    assert "the pose model that is asked for cannot be used" in run.stderr
    assert "five_joints.onnx" in run.stderr and "5 joints" in run.stderr
    assert not poses.exists(), "nothing stands under its name"


def test_who_allows_it_gets_the_fallback_and_is_told(folder: Path, refused: Path) -> None:
    for more in (("--no-strict",), ("--fallback-models", "convnextpose_xs_coco17")):
        run = _video(folder, "--model-path", refused, *more)
        assert "pose model: convnextpose_xs_coco17" in run.stdout


def test_a_model_that_fails_midway_has_its_own_frames_only(
    folder: Path, spoilt: Path, tmp_path: Path
) -> None:
    poses = tmp_path / "poses.jsonl"
    run = _video(folder, "--sequence", "--json", poses, "--model-path", spoilt, code=3)
    assert f"night_only.onnx (frames 0 to {BRIGHT_FROM - 1}), convnextpose_xs" in run.stdout
    assert f"(frames {BRIGHT_FROM} to 5)" in run.stdout
    assert "did not answer every frame" in run.stderr and "night_only.onnx" in run.stderr
    assert len(poses.read_text().splitlines()) == 6, "the fallback answers the others"


def test_bags_likewise(frames: list, refused: Path, spoilt: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", {"/image": IMAGE}, frames)
    run = _bag(bag, tmp_path / "a", "--model-path", refused, code=3)
    assert "five_joints.onnx" in run.stderr and not (tmp_path / "a").exists()
    run = _bag(bag, tmp_path / "b", "--model-path", spoilt, code=3)
    assert f"frames {BRIGHT_FROM} to 5" in run.stdout and (tmp_path / "b").exists()
    assert (
        "pose model: " in _bag(bag, tmp_path / "c", "--model-path", spoilt, "--no-strict").stdout
    )


@pytest.fixture
def set_without_pose_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of models with the detector of the set "balanced", but not its pose model."""
    home = tmp_path / "home"
    home.mkdir()
    detector = packaged_manifest().entries["person_detector"].path
    shutil.copy(detector, home / "yolox_tiny.onnx")
    monkeypatch.setenv("POSE_ESTIMATION_MODELS", str(home))
    packaged_manifest.cache_clear()
    yield home
    packaged_manifest.cache_clear()


def test_a_set_counts_as_asked_for_where_strict_says_so(
    folder: Path, frames: list, set_without_pose_model: Path, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "in", {"/image": IMAGE}, frames[:2])
    calls = [
        partial(_video, folder, "--frames", 1, "--models", "balanced"),
        partial(_bag, bag, tmp_path / "out", "--force", "--models", "balanced"),
    ]
    for run in calls:
        said = run().stdout
        assert "detector: yolox_tiny; pose model: convnextpose_xs_coco17" in said
        complaint = run("--strict", code=3).stderr
        assert "rtmpose_s of the set 'balanced' is not on this machine" in complaint
        assert "yolox_tiny of" not in complaint and "models fetch balanced" in complaint
    fixed_pose_model(set_without_pose_model / "rtmpose_s.onnx", joints=5)
    for run in calls:
        assert "pose model: convnextpose_xs_coco17" in run().stdout
        assert "rtmpose_s" in run("--strict", code=3).stderr


def test_records_of_other_models_are_not_continued(
    folder: Path, set_without_pose_model: Path, tmp_path: Path
) -> None:
    poses, other = tmp_path / "p.jsonl", set_without_pose_model / "rtmpose_s.onnx"
    run = partial(_video, folder, "--json", poses, "--models", "balanced", "--no-int8")
    run("--frames", 1)
    fixed_pose_model(other)
    before = poses.read_bytes()
    complaint = run("--resume", code=1).stderr
    assert "the pose model was convnextpose_xs_coco17, and is rtmpose_s now" in complaint
    assert "detector was" not in complaint and poses.read_bytes() == before
    run("--frames", 1)
    run("--frames", 2, "--resume")
    fixed_pose_model(other, nan_above=250.0)
    assert "was another file called rtmpose_s" in run("--resume", code=1).stderr
    assert len(poses.read_text().splitlines()) == 2


def test_no_output_replaces_a_model_that_may_answer(
    folder: Path, set_without_pose_model: Path
) -> None:
    detector = set_without_pose_model / "yolox_tiny.onnx"
    embedded = packaged_manifest().entries["convnextpose_xs_coco17"].path
    before = detector.read_bytes()
    for output, more in ((detector, ("--models", "balanced")), (embedded, ())):
        run = _video(folder, "--json", output, *more, code=1)
        assert f"'{output}' is the input" in run.stderr
    assert detector.read_bytes() == before


def test_who_measures_a_model_measures_no_other(
    folder: Path, refused: Path, tmp_path: Path
) -> None:
    joints = [100, 100, 2] * 17
    listing = {
        "images": [{"id": 1, "file_name": "0.png"}],
        "annotations": [{"id": 1, "image_id": 1, "bbox": [9, 9, 99, 99], "keypoints": joints}],
    }
    (folder / "people.json").write_text(json.dumps(listing))
    detector = tmp_path / "detector.onnx"
    detector.write_bytes(b"no model")
    for flag, model in (("--model-path", refused), ("--yolo-model", detector)):
        run = _evaluate(folder / "people.json", flag, model, "--json", code=1)
        assert model.name in run.stderr and not run.stdout


def test_without_fallbacks_only_what_is_asked_for_is_left() -> None:
    def names(config: EngineConfig) -> list[list[str]]:
        models = build_models(config, fall_back=False)
        models.close()
        return [[s.name for s in chain._states] for chain in models.chains]

    plain = names(EngineConfig())
    assert all(plain) and "whole frame" not in str(plain[0])
    asked = EngineConfig(
        yolo_model="a.onnx", model_path="b.onnx", fallback_models=["c.onnx", "d.pth"]
    )
    assert names(asked)[:2] == [["a.onnx"], ["b.onnx"]]


@pytest.mark.parametrize("runtime", ["torch", "tflite"])
def test_who_measures_a_runtime_measures_no_other(runtime: str) -> None:
    with pytest.raises(ConfigError, match=f"runtime: {runtime} reads neither of person_detector"):
        build_models(EngineConfig(runtime=runtime), fall_back=False)
    build_models(EngineConfig(runtime=runtime)).close()
    for named in ({"model_path": f"pose.{runtime}"}, {"yolo_model": f"detector.{runtime}"}):
        named = {name: path.replace(".torch", ".pth") for name, path in named.items()}
        build_models(EngineConfig(runtime=runtime, **named), fall_back=False).close()
    with pytest.raises(ConfigError, match=r"reads neither of a.xml, b.xml: use openvino, or"):
        build_models(
            EngineConfig(model_path="b.xml", yolo_model="a.xml", runtime=runtime), fall_back=False
        )


def _models(fail: list[int], asked: bool = True) -> Models:
    def answer(frame: int) -> int:
        if frame in fail:
            raise ModelError("on purpose")
        return frame

    def chain(name: str, candidates: list[Candidate]) -> FallbackChain:
        return FallbackChain(name, candidates)

    first = Candidate.of("first", lambda: answer, asked)
    second = Candidate.of("second", lambda: lambda frame: frame, asked=False)
    detector = Candidate.of("detector", lambda: answer)
    return Models(
        chain("detector", [detector]), chain("pose model", [first, second]), WorkerPool(1)
    )


def test_runs_of_frames() -> None:
    models = _models(fail=[2])
    usage = ModelUsage(models)
    assert not load_complaint(models)
    for frame in range(4):
        models.pose.call(lambda model, frame=frame: model(frame))
        usage.note(frame)
    assert usage.summary() == (
        "detector: detector; pose model: first (frames 0 to 1), second (frames 2 to 3)"
    )
    assert usage.complaint.endswith("did not answer every frame: first: on purpose")
    models.close()


def test_the_worst_code() -> None:
    assert [worst(codes) for codes in ([], [0], [0, 3], [3, 1, 0], [0, 1])] == [0, 0, 3, 1, 1]


def test_the_models_of_the_test_do_what_they_say(spoilt: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(spoilt), providers=["CPUExecutionProvider"])
    crops = np.stack([np.full((192, 192, 3), value, np.uint8) for value in (90, 220)])
    joints, _ = session.run(None, {"image": crops})
    assert np.isfinite(joints[0]).all() and np.isnan(joints[1]).all()
