"""V3, V4 and hybrid with models that find people and their joints in one inference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from constant_models import constant_model
from pose_families import FAMILIES, Placed, on_canvas

from pose_estimation_ros.engine import Frame, Image, Models
from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.execution.worker_pool import WorkerPool
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.engine.pose.pose_model import PoseModel, pose_model
from pose_estimation_ros.engine.runtimes import Runtime, load_runtime
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import PipelineOptions

PIXELS = np.full((360, 480, 3), 90, np.uint8)


class Counted:
    """A runtime that counts its runs, and fails while it is told to."""

    def __init__(self, runtime: Runtime) -> None:
        self.name, self.path, self.metadata = runtime.name, runtime.path, runtime.metadata
        self.inputs, self.outputs = runtime.inputs, runtime.outputs
        self._run = runtime.run
        self.runs, self.fails = 0, False

    def run(self, *tensors: AnyArray) -> list[AnyArray]:
        if self.fails:
            raise RuntimeError("no memory")
        self.runs += 1
        return self._run(*tensors)


def crowd(count: int) -> Placed:
    """So many people side by side in the image, the right one the largest and surest."""
    width = 470 / count
    left = 5 + width * np.arange(count)
    top = np.linspace(120, 20, count)
    boxes = np.stack([left, top, left + 0.8 * width, np.full(count, 340.0)], axis=1)
    parts = np.random.default_rng(0).uniform(0.1, 0.9, (count, 17, 2))
    xy = boxes[:, None, :2] + parts * (boxes[:, None, 2:] - boxes[:, None, :2])
    sure = np.full((count, 17, 1), 0.8)
    return Placed(boxes, np.linspace(0.8, 0.9, count), np.concatenate([xy, sure], axis=2))


def no_detector() -> None:
    raise ModelError("a one-stage model needs none")


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., tuple[Models, Counted]]:
    def make(count: int, *fallbacks: Candidate[PoseModel]) -> tuple[Models, Counted]:
        family = FAMILIES["rtmo"]
        outputs = family.write(on_canvas(crowd(count), family.anchor))
        path = constant_model(tmp_path / "rtmo.onnx", family.input_shape, outputs)
        runtime = Counted(load_runtime(path, "onnxruntime"))
        pose = [Candidate.of("rtmo.onnx", lambda: pose_model(runtime)), *fallbacks]
        detector = FallbackChain("detector", [Candidate.of("none", no_detector)])
        models = Models(detector, FallbackChain("pose model", pose), WorkerPool(2))
        models.load()
        runtime.runs = 0
        return models, runtime

    return make


@pytest.mark.parametrize("count", [1, 18])
def test_v4_finds_everyone_in_one_run(made: Callable, count: int) -> None:
    models, runtime = made(count)
    pipeline = build_pipeline("v4", models, PipelineOptions(detect_every_many=5))
    for index in range(3):
        result = pipeline.process(Frame(Image(PIXELS), index / 30))
        assert runtime.runs == index + 1, "whatever the number of people"
        assert len(result.poses) == result.estimated == count
        assert result.times.detect_ms > 0 and result.times.pose_ms == 0
        assert result.cache_hits == 0, "nothing is estimated by crops"
    order = np.argsort(result.poses.boxes[:, 0])
    np.testing.assert_allclose(result.poses.boxes[order], crowd(count).boxes, atol=1)
    np.testing.assert_allclose(result.poses.joints.xy[order], crowd(count).joints[..., :2], atol=1)
    assert sorted(result.poses.track_ids.tolist()) == list(range(count))
    assert models.statuses()["detector"].active == "rtmo.onnx (one stage)"


def test_the_most_persons_hold_for_one_stage(made: Callable) -> None:
    models, _ = made(18)
    options = PipelineOptions()
    options.detector.max_persons = 5
    result = build_pipeline("v4", models, options).process(Frame(Image(PIXELS)))
    assert (len(result.poses), result.left_out) == (5, 13)


def test_v3_answers_for_the_most_prominent_person(made: Callable) -> None:
    models, runtime = made(3)
    pipeline = build_pipeline("v3", models, PipelineOptions())
    for index in range(12):
        result = pipeline.process(Frame(Image(PIXELS), index / 30))
        assert runtime.runs == index + 1, "no look in the background besides"
        np.testing.assert_allclose(result.poses.boxes, crowd(3).boxes[2:], atol=1)
        assert result.poses.track_ids.tolist() == [0]
        assert result.times.pose_ms == 0


def test_v3_keeps_to_whom_it_is_told(made: Callable) -> None:
    models, _ = made(3)
    pipeline = build_pipeline("v3", models, PipelineOptions())
    pipeline.process(Frame(Image(PIXELS), 0.0))
    pipeline.follow(crowd(3).boxes[:1].astype(np.float32))
    result = pipeline.process(Frame(Image(PIXELS), 0.1))
    np.testing.assert_allclose(result.poses.boxes, crowd(3).boxes[:1], atol=1)


@pytest.mark.parametrize(("count", "pipeline"), [(1, "v3"), (2, "v4")])
def test_hybrid_takes_the_pipeline_that_fits(made: Callable, count: int, pipeline: str) -> None:
    models, runtime = made(count)
    hybrid = build_pipeline("hybrid", models, PipelineOptions())
    # It begins with V4, and gives it up where there is one person for a while.
    answers = [hybrid.process(Frame(Image(PIXELS), index / 2)) for index in range(12)]
    assert answers[-1].pipeline == pipeline
    assert len(answers[-1].poses) == count
    assert runtime.runs == 12


@pytest.mark.parametrize("name", ["v3", "v4", "hybrid"])
def test_two_stages_answer_the_frame_where_one_fails(
    made: Callable, embedded_models: Models, scene_frames: list, name: str
) -> None:
    embedded = embedded_models.pose.load()
    models, runtime = made(1, Candidate.of("embedded", lambda: embedded, asked=False))
    models = replace(models, detector=embedded_models.detector)
    pipeline = build_pipeline(name, models, PipelineOptions())
    assert len(pipeline.process(Frame(Image(scene_frames[0]), 0.0)).poses) == 1
    runtime.fails = True
    for index in range(1, 5):
        result = pipeline.process(Frame(Image(scene_frames[0]), index / 30))
        assert len(result.poses) >= 1
        assert result.times.pose_ms > 0
    status = models.statuses()["pose model"]
    assert (status.active, status.as_asked, status.failures) == ("embedded", False, 1)


def test_one_stage_is_taken_again_once_it_works(
    made: Callable, embedded_models: Models, scene_frames: list
) -> None:
    now_s = 0.0
    embedded = embedded_models.pose.load()
    models, runtime = made(1)
    chain = FallbackChain(
        "pose model",
        [
            Candidate.of("rtmo.onnx", lambda: pose_model(runtime)),
            Candidate.of("embedded", lambda: embedded, asked=False),
        ],
        clock=lambda: now_s,
    )
    models = replace(models, pose=chain, detector=embedded_models.detector)
    pipeline = build_pipeline("v4", models, PipelineOptions())
    pipeline.process(Frame(Image(scene_frames[0]), 0.0))
    runtime.fails = True
    pipeline.process(Frame(Image(scene_frames[0]), 0.1))
    runtime.fails, now_s = False, 100.0
    for index in range(2, 200):
        result = pipeline.process(Frame(Image(scene_frames[0]), index / 30))
        if chain.status.active == "rtmo.onnx":
            break
    result = pipeline.process(Frame(Image(scene_frames[0]), 20.0))
    assert chain.status.as_asked
    assert result.times.pose_ms == 0 and len(result.poses) == 1
