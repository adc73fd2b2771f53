"""Answers that are sent and repeated: the same as those of the models."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pose_estimation_ros.cli.cluster.answers import (
    Answer,
    RepeatedModels,
    ask,
    from_arrays,
    splittable,
    to_arrays,
)
from pose_estimation_ros.engine.pipelines import Models, build_pipeline
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.types import Detections, Frame, Image, PoseResult
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig, PipelineOptions


def _frames(models: Models, scene_frames: list) -> list[Frame]:
    """Everybody still, then a button on one person, so that the cache knows the others."""
    first = scene_frames[0]
    boxes = ask(models, Frame(Image(first), 0.0), PipelineOptions()).found.boxes
    leftmost = boxes[boxes[:, 0].argmin()]
    x, y = int(leftmost[0] + 14), int(leftmost[[1, 3]].mean())
    changed = first.copy()
    changed[y - 8 : y + 8, x - 8 : x + 8] = 0
    pictures = [first, first, changed, np.zeros_like(first), *scene_frames[1:4]]
    return [Frame(Image(pixels), index / 30) for index, pixels in enumerate(pictures)]


def _run(models: Models, frames: list[Frame]) -> list[PoseResult]:
    pipeline = build_pipeline("v4", models, PipelineOptions())
    return [pipeline.process(frame) for frame in frames]


@pytest.fixture
def float_models() -> Iterator[Models]:
    """In int8 a few pixels move everybody's box, so that nobody would be found in the cache."""
    with contextlib.closing(build_models(EngineConfig(yolo_model="person_detector"))) as models:
        models.load()
        yield models


def test_repeated_answers_give_what_the_models_give(
    float_models: Models, scene_frames: list
) -> None:
    frames, options = _frames(float_models, scene_frames), PipelineOptions()
    answers = [ask(float_models, frame, options) for frame in frames]
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **to_arrays(answers))
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        repeated = RepeatedModels(float_models, from_arrays(dict(arrays)))
    expected, found = _run(float_models, frames), _run(repeated, frames)
    hits = [result.cache_hits for result in expected]
    assert hits[1] > hits[2] > 0, "the cache has to have something to do"
    for one, other in zip(expected, found, strict=True):
        assert one.cache_hits == other.cache_hits
        for name in ("boxes", "scores", "track_ids", "track_states"):
            np.testing.assert_array_equal(getattr(one.poses, name), getattr(other.poses, name))
        np.testing.assert_array_equal(one.poses.joints.xy, other.poses.joints.xy)
        np.testing.assert_array_equal(one.poses.joints.scores, other.poses.joints.scores)
    with pytest.raises(ModelError, match="more images than were answered"):
        _run(repeated, frames[:1])


def test_an_answer_for_a_person_does_not_depend_on_who_is_beside(
    embedded_models: Models, scene_frames: list
) -> None:
    """What makes it right to ask for everybody at once and use some of it."""
    image = Image(scene_frames[0])
    boxes = ask(embedded_models, Frame(image, 0.0), PipelineOptions()).found.boxes
    model: Any = embedded_models.pose.load()
    together = model.estimate(image, boxes)
    assert len(boxes) >= 3
    for first in range(len(boxes)):
        for last in range(first + 1, len(boxes) + 1):
            alone = model.estimate(image, boxes[first:last])
            np.testing.assert_array_equal(alone.xy, together.xy[first:last])
            np.testing.assert_array_equal(alone.scores, together.scores[first:last])


def test_whoever_and_nobody_survives_being_sent() -> None:
    rng = np.random.default_rng(0)

    def answer(count: int) -> Answer:
        found = Detections(
            rng.random((count, 4), np.float32), rng.random(count, np.float32), False, count
        )
        joints = JointEstimates(
            rng.random((count, 17, 2), np.float32),
            rng.random((count, 17), np.float32),
            rng.random((count, 17), np.float32),
            rng.random((count, 17, 3), np.float32),
        )
        return Answer(found, joints, "coco17")

    answers = [answer(count) for count in (2, 0, 3)]
    for one, other in zip(answers, from_arrays(to_arrays(answers)), strict=True):
        np.testing.assert_array_equal(one.found.boxes, other.found.boxes)
        assert one.found.left_out == other.found.left_out and one.skeleton == other.skeleton
        assert other.joints.offsets_m is not None and one.joints.offsets_m is not None
        np.testing.assert_array_equal(one.joints.offsets_m, other.joints.offsets_m)
    assert from_arrays(to_arrays([])) == []


def test_what_follows_from_image_to_image_is_not_split(embedded_models: Models) -> None:
    assert splittable(embedded_models, "v4", PipelineOptions())
    assert not splittable(embedded_models, "v3", PipelineOptions())
    assert not splittable(embedded_models, "hybrid", PipelineOptions())
    assert not splittable(embedded_models, "v4", PipelineOptions(detect_every_many=2))
