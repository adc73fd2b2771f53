"""A person whose pixels did not change keeps the pose; whoever moves is estimated anew."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pose_estimation_ros.engine import Frame, Image, Models, V3Pipeline, V4Pipeline
from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.pose.pose_cache import PoseCache
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.types import Detections, PoseResult
from pose_estimation_ros.settings import DetectorOptions, PipelineOptions, PoseCacheOptions

ENLARGE = 1.25


def _run(pipeline: V3Pipeline | V4Pipeline, frames: list) -> list[PoseResult]:
    return [pipeline.process(Frame(Image(f), i / 30)) for i, f in enumerate(frames)]


def _pipeline(models: Models, kind: type = V4Pipeline, size: int = 50) -> V4Pipeline:
    return kind(models, PipelineOptions(pose_cache=PoseCacheOptions(size)))


@pytest.mark.parametrize("kind", [V3Pipeline, V4Pipeline])
def test_a_still_image_is_estimated_once(
    embedded_models: Models, scene_frames: list, kind: type
) -> None:
    frames = [scene_frames[0].copy() for _ in range(4)]
    results = _run(_pipeline(embedded_models, kind), frames)
    persons = 1 if kind is V3Pipeline else 3
    assert results[0].estimated >= persons and results[0].cache_hits == 0
    if kind is V4Pipeline:
        assert [r.estimated for r in results[1:]] == [0, 0, 0]
        assert results[3].cache_hits == results[0].estimated
    anew = _run(_pipeline(embedded_models, kind, size=0), frames)
    assert all(r.cache_hits == 0 for r in anew)
    for one, other in zip(results, anew, strict=True):
        np.testing.assert_allclose(one.poses.joints.xy, other.poses.joints.xy, atol=0.51)
        np.testing.assert_allclose(one.poses.scores, other.poses.scores, atol=0.02)


def test_the_noise_of_a_good_sensor_is_no_change(scene_frames: list) -> None:
    rng = np.random.default_rng(0)
    box, joints = np.array([[40, 80, 300, 460]], np.float32), _joints()
    cache = PoseCache(PoseCacheOptions())
    pixels = scene_frames[0].astype(np.int16)
    noisy = [np.clip(pixels + rng.normal(0, 1.5, pixels.shape), 0, 255) for _ in range(2)]
    first, second = (Image(n.astype(np.uint8)) for n in noisy)
    cache.keep(first, box, joints, "model", ENLARGE)
    assert cache.find(second, box, "model")[0] is not None


class _FirstAnswer:
    """A detector that sees everybody where they were in the first image.

    What moves in an image shifts the boxes of others by a pixel or two, or does not, by chance.
    """

    name = "first answer"

    def __init__(self, models: Models) -> None:
        self._detector = models.detector.load()
        self._found: Detections | None = None

    def detect(self, image: Image, options: DetectorOptions, previous: FloatArray) -> Detections:
        if self._found is None:
            self._found = self._detector.detect(image, options, previous)
        return self._found


def test_who_moves_is_estimated_and_who_does_not_is_not(
    embedded_models: Models, scene_frames: list
) -> None:
    first_answer = _FirstAnswer(embedded_models)
    chain = FallbackChain("detector", [Candidate.of("first answer", lambda: first_answer)])
    embedded_models = replace(embedded_models, detector=chain)
    still, moved = scene_frames[0], scene_frames[0].copy()
    moved[:, :280] = scene_frames[-1][:, :280]  # most of the first person, nothing of the others
    pipeline, anew = _pipeline(embedded_models), _pipeline(embedded_models, size=0)
    first, second = _run(pipeline, [still, moved])
    _, wanted = _run(anew, [still, moved])
    assert second.estimated >= 1 and second.cache_hits >= 1
    assert second.poses.track_ids.tolist() == wanted.poses.track_ids.tolist()
    before = dict(zip(first.poses.track_ids.tolist(), first.poses.joints.xy, strict=True))
    for index, identity in enumerate(second.poses.track_ids.tolist()):
        xy = second.poses.joints.xy[index]
        kept = identity in before and np.allclose(xy, before[identity], rtol=0, atol=0.51)
        estimated = np.allclose(xy, wanted.poses.joints.xy[index], rtol=0, atol=0.51)
        if second.poses.boxes[index, 0] < 280:
            assert estimated and not kept
        else:
            # Who is boxed a little differently, as the detector looks around each person, may
            # be estimated anew though nothing of them moved.
            assert estimated or kept


def _joints() -> JointEstimates:
    zeros = np.zeros((1, 17), np.float32)
    return JointEstimates(np.zeros((1, 17, 2), np.float32), zeros + 1, zeros)


BOX = np.array([[40, 80, 300, 460]], np.float32)


@pytest.mark.parametrize("radius", [6, 12])
def test_a_hand_that_moves_is_seen(scene_frames: list, radius: int) -> None:
    """Something the size of a hand, as bright as skin is before cloth, moves by its width."""
    cache = PoseCache(PoseCacheOptions())
    before, after = scene_frames[0].copy(), scene_frames[0].copy()
    cv2.circle(before, (150, 300), radius, (120, 140, 190), -1)
    cv2.circle(after, (150 + 2 * radius, 300), radius, (120, 140, 190), -1)
    cache.keep(Image(before), BOX, _joints(), "model", ENLARGE)
    assert cache.find(Image(before), BOX, "model")[0] is not None
    assert cache.find(Image(after), BOX, "model")[0] is None


def test_slow_movement_adds_up(scene_frames: list) -> None:
    cache = PoseCache(PoseCacheOptions())
    cache.keep(Image(scene_frames[0]), BOX, _joints(), "model", ENLARGE)
    height, width = scene_frames[0].shape[:2]
    for step in range(1, 20):
        shift = np.array([[1, 0, 0.25 * step], [0, 1, 0]])
        moved = cv2.warpAffine(scene_frames[0], shift, (width, height))
        if cache.find(Image(moved), BOX, "model")[0] is None:
            break
    assert 0.25 * step <= 1.5


def test_another_model_another_place_and_a_full_cache(scene_frames: list) -> None:
    cache = PoseCache(PoseCacheOptions(cache_size=2))
    image = Image(scene_frames[0])
    cache.keep(image, BOX, _joints(), "model", ENLARGE)
    assert cache.find(image, BOX, "another")[0] is None
    assert cache.find(image, BOX + 20, "model")[0] is None
    for away in (50, 100):
        cache.keep(image, BOX + away, _joints(), "model", ENLARGE)
    assert cache.find(image, BOX, "model")[0] is None
    assert cache.find(image, BOX + 100, "model")[0] is not None
    cache.options.cache_size = 0
    assert cache.find(image, BOX + 100, "model")[0] is None
