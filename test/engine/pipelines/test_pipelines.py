"""V3, V4 and hybrid on real pictures, with the embedded models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pose_estimation_ros.engine import (
    CameraModel,
    CancelledError,
    CancelToken,
    Frame,
    HybridPipeline,
    Image,
    Models,
    PoseResult,
    V3Pipeline,
    V4Pipeline,
)
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.pipelines import CameraSession, build_pipeline
from pose_estimation_ros.engine.pose.pose_cache import EstimatedJoints
from pose_estimation_ros.engine.poses import (
    DEPTH_BOX,
    DEPTH_DEPTH_IMAGE,
    DEPTH_NONE,
    TRACK_LOST,
    TRACK_NEW,
    TRACK_TRACKED,
    JointEstimates,
)
from pose_estimation_ros.engine.skeletons import COCO17, HALPE26
from pose_estimation_ros.engine.types import Detections, StageTimes
from pose_estimation_ros.io.demo_scene import SceneSource
from pose_estimation_ros.settings import HybridOptions, PipelineOptions

WALL = np.full((540, 960, 3), 180, np.uint8)


def _frame(pixels: np.ndarray, index: int = 0, **more: object) -> Frame:
    return Frame(Image(pixels), stamp_s=index / 30, **more)


def _people_found(result: PoseResult, index: int) -> int:
    """How many of the scene's people were found."""
    boxes = result.poses.boxes
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    areas = SceneSource(seconds=0.5).people(index)
    return sum(
        bool(((centres >= area[:2]) & (centres <= area[2:])).all(axis=1).any()) for area in areas
    )


def test_v4_finds_everyone(embedded_models: Models, scene_frames: list) -> None:
    pipeline = V4Pipeline(embedded_models, PipelineOptions())
    for index in range(0, len(scene_frames), 5):
        result = pipeline.process(_frame(scene_frames[index], index))
        assert _people_found(result, index) == 3
        assert result.pipeline == "v4" and result.skeleton == "coco17"
        assert result.times.detect_ms > 0 and result.times.pose_ms > 0


def test_joints_lie_on_their_persons(embedded_models: Models, scene_frames: list) -> None:
    result = V4Pipeline(embedded_models, PipelineOptions()).process(_frame(scene_frames[0]))
    poses = result.poses
    for person in range(len(poses)):
        sure = poses.joints.scores[person] > 0.5
        x1, y1, x2, y2 = poses.boxes[person]
        width, height = x2 - x1, y2 - y1
        x, y = poses.joints.xy[person][sure].T
        assert ((x > x1 - width / 4) & (x < x2 + width / 4)).all()
        assert ((y > y1 - height / 4) & (y < y2 + height / 4)).all()


def test_workers_change_nothing_but_the_time(embedded_models: Models, scene_frames: list) -> None:
    image, boxes = Image(scene_frames[0]), np.array([[40.0, 30.0, 240.0, 300.0]] * 5)
    boxes = (boxes + np.arange(5)[:, None] * 20).astype(np.float32)
    joints = embedded_models.estimate(_frame(scene_frames[0]), boxes, CancelToken()).joints
    alone = [embedded_models.pose.load().estimate(image, box[None]) for box in boxes]
    np.testing.assert_allclose(joints.xy, np.concatenate([a.xy for a in alone]), atol=0.05)


def test_colour_order_does_not_matter(embedded_models: Models, scene_frames: list) -> None:
    rgb = np.ascontiguousarray(scene_frames[0][..., ::-1])
    results = [
        V4Pipeline(embedded_models, PipelineOptions()).process(Frame(image))
        for image in (Image(scene_frames[0], "bgr"), Image(rgb, "rgb"))
    ]
    np.testing.assert_allclose(results[0].poses.joints.xy, results[1].poses.joints.xy, atol=0.05)


def test_padded_rows_do_not_matter(embedded_models: Models, scene_frames: list) -> None:
    height, width = scene_frames[0].shape[:2]
    padded = np.zeros((height, width + 13, 3), np.uint8)
    padded[:, :width] = scene_frames[0]
    view = padded[:, :width]
    results = [
        V4Pipeline(embedded_models, PipelineOptions()).process(Frame(Image(pixels)))
        for pixels in (scene_frames[0], view)
    ]
    np.testing.assert_array_equal(results[0].poses.joints.xy, results[1].poses.joints.xy)


def test_v3_keeps_to_one_person_and_rarely_detects(
    embedded_models: Models, scene_frames: list
) -> None:
    pipeline = V3Pipeline(embedded_models, PipelineOptions(detect_every=5))
    ids, detected = set(), 0
    for index, pixels in enumerate(scene_frames):
        result = pipeline.process(_frame(pixels, index))
        assert len(result.poses) == 1
        ids.add(int(result.poses.track_ids[0]))
        detected += result.times.detect_ms > 0
    assert len(ids) == 1
    assert detected <= len(scene_frames) / 5 + 1


def test_v4_may_follow_everyone_between_two_looks(
    embedded_models: Models, scene_frames: list
) -> None:
    every = V4Pipeline(embedded_models, PipelineOptions())
    seldom = V4Pipeline(embedded_models, PipelineOptions(detect_every_many=5))
    looked = 0
    ids: set[int] = set()
    for index, pixels in enumerate(scene_frames):
        wanted = every.process(_frame(pixels, index)).poses
        result = seldom.process(_frame(pixels, index))
        looked += result.times.detect_ms > 1e-1
        ids.update(result.poses.track_ids.tolist())
        assert _people_found(result, index) == 3
        overlap = box_iou(result.poses.boxes, wanted.boxes).max(axis=1)
        assert (overlap > 0.6).all()
    assert looked == len(scene_frames) / 5
    assert len(ids) == 3


def test_v4_without_identities_looks_at_every_frame(
    embedded_models: Models, scene_frames: list
) -> None:
    options = PipelineOptions(detect_every_many=5)
    options.tracking.enabled = False
    pipeline = V4Pipeline(embedded_models, options)
    for index, pixels in enumerate(scene_frames[:3]):
        assert pipeline.process(_frame(pixels, index)).times.detect_ms > 1e-1


def test_v3s_answers_do_not_depend_on_what_is_drawn_on_them(
    embedded_models: Models, scene_frames: list
) -> None:
    """Its checks look at a frame after its answer, when a caller may draw on the picture."""
    answers: list[list[PoseResult]] = []
    for draw in (False, True):
        pipeline = V3Pipeline(embedded_models, PipelineOptions(detect_every=2))
        answers.append([])
        for index, pixels in enumerate(scene_frames):
            shown = pixels.copy()
            answers[-1].append(pipeline.process(_frame(shown, index)))
            if draw:
                shown[:] = 0
    for clean, drawn in zip(*answers, strict=True):
        np.testing.assert_array_equal(clean.poses.joints.xy, drawn.poses.joints.xy)
        np.testing.assert_array_equal(clean.poses.boxes, drawn.poses.boxes)


@pytest.mark.parametrize("kind", [V3Pipeline, V4Pipeline, HybridPipeline])
def test_an_empty_wall_has_nobody(kind: type, embedded_models: Models) -> None:
    result = kind(embedded_models, PipelineOptions()).process(_frame(WALL))
    assert len(result.poses) == 0
    assert result.poses.joints.xy.shape == (0, 17, 2)


def test_v3_notices_that_the_person_left(embedded_models: Models, scene_frames: list) -> None:
    pipeline = V3Pipeline(embedded_models, PipelineOptions())
    assert len(pipeline.process(_frame(scene_frames[0], 0)).poses) == 1
    for index in range(1, 25):
        result = pipeline.process(_frame(WALL, index))
    assert len(result.poses) == 0


def test_hybrid_switches_without_losing_a_frame_or_a_track(
    embedded_models: Models, scene_frames: list
) -> None:
    hybrid = HybridOptions(follow_scene=False, max_persons=1, latency_critical=True)
    pipeline = HybridPipeline(embedded_models, PipelineOptions(hybrid=hybrid))
    answers = []
    for index, pixels in enumerate(scene_frames):
        hybrid.max_persons = 3 if 5 <= index < 10 else 1
        answers.append(pipeline.process(_frame(pixels, index)))
    assert [a.pipeline for a in answers] == ["v3"] * 5 + ["v4"] * 5 + ["v3"] * 5
    one = int(answers[0].poses.track_ids[0])
    assert all(one in answer.poses.track_ids for answer in answers[5:10])
    assert int(answers[-1].poses.track_ids[0]) in answers[9].poses.track_ids


def test_hybrid_follows_the_scene_with_hysteresis(
    embedded_models: Models, scene_frames: list
) -> None:
    one_person = scene_frames[0].copy()
    one_person[:, 330:] = 180
    pipeline = HybridPipeline(embedded_models, PipelineOptions(hybrid=HybridOptions(calm_s=1.0)))
    used = [pipeline.process(_frame(one_person, index)).pipeline for index in range(40)]
    assert used[0] == "v4" and used[-1] == "v3"
    assert used.count("v4") >= 30  # a second of calm at 30 frames/s, not earlier
    used = [pipeline.process(_frame(scene_frames[0], 40 + i)).pipeline for i in range(15)]
    assert used[-1] == "v4"


def test_a_cancelled_frame_is_not_begun(embedded_models: Models, scene_frames: list) -> None:
    token = CancelToken()
    token.cancel()
    for kind in (V3Pipeline, V4Pipeline):
        with pytest.raises(CancelledError):
            kind(embedded_models, PipelineOptions()).process(_frame(scene_frames[0]), token)


def test_positions_are_metres_with_intrinsics_only(
    embedded_models: Models, scene_frames: list
) -> None:
    pipeline = V4Pipeline(embedded_models, PipelineOptions())
    result = pipeline.process(_frame(scene_frames[0]))
    assert np.isnan(result.poses.positions_m).all()
    assert set(result.poses.depth_sources.tolist()) == {DEPTH_NONE}
    camera = CameraModel(835, 835, 479.5, 269.5)
    result = pipeline.process(_frame(scene_frames[0], camera=camera))
    positions = result.poses.positions_m
    assert set(result.poses.depth_sources.tolist()) == {DEPTH_BOX}
    known = np.isfinite(positions).all(axis=-1)
    again = positions[known][:, :2] / positions[known][:, 2:] * 835 + (479.5, 269.5)
    np.testing.assert_allclose(again, result.poses.joints.xy[known], atol=0.1)


def test_a_depth_image_beats_the_box(embedded_models: Models, scene_frames: list) -> None:
    pipeline = V4Pipeline(embedded_models, PipelineOptions())
    camera = CameraModel(835, 835, 479.5, 269.5)
    depth = np.full((270, 480), 3.0, np.float32)  # half the image's size, aligned
    depth[::7] = 0  # holes
    result = pipeline.process(_frame(scene_frames[0], camera=camera, depth_m=depth))
    measured = result.poses.depth_sources == DEPTH_DEPTH_IMAGE
    assert measured.any()
    hips = result.poses.positions_m[measured][:, [11, 12], 2].mean(axis=1)
    np.testing.assert_allclose(hips, 3.0, atol=0.25)


@pytest.mark.parametrize("kind", [V3Pipeline, V4Pipeline])
def test_tracks_are_new_then_tracked_then_lost(
    kind: type, embedded_models: Models, scene_frames: list
) -> None:
    options = PipelineOptions(report_lost=True)
    options.tracking.reentry_s = 0.5
    pipeline = kind(embedded_models, options)
    assert (pipeline.process(_frame(scene_frames[0], 0)).poses.track_states == TRACK_NEW).all()
    known = pipeline.process(_frame(scene_frames[1], 1)).poses
    assert TRACK_TRACKED in known.track_states
    gone = [pipeline.process(_frame(WALL, index)).poses for index in range(2, 40)]
    lost = [poses for poses in gone if (poses.track_states == TRACK_LOST).any()]
    assert lost and set(lost[0].track_ids) <= set(known.track_ids)
    assert np.isnan(lost[0].joints.xy).all() and (lost[0].joints.scores == 0).all()
    assert len(gone[-1]) == 0  # after the re-entry time they are forgotten


def test_new_tracks_need_a_higher_score_than_existing_ones(embedded_models: Models) -> None:
    """The score of a person is the detector's times the joints' mean, here 0.5."""
    box = np.array([[100, 100, 200, 400]], np.float32)
    xy = np.random.default_rng(0).uniform(box[0, :2], box[0, 2:], (1, 17, 2)).astype(np.float32)

    def published(
        detected: float, frame: Frame, session: CameraSession, mean: float = 0.5
    ) -> list[int]:
        found = Detections(box, np.array([detected], np.float32))
        scores = np.full((1, 17), mean, np.float32)
        joints = JointEstimates(xy, scores, np.zeros((1, 17), np.float32))
        estimated = EstimatedJoints(joints, COCO17)
        result = session.finish("v4", frame, found, estimated, StageTimes())
        assert result.poses.scores == pytest.approx([detected * mean] * len(result.poses))
        return result.poses.track_ids.tolist()

    options = PipelineOptions(min_pose_score=0.2)
    session = CameraSession(embedded_models, options)
    scores = (0.5, 0.6, 0.5, 0.3)
    answers = [published(s, _frame(WALL, index), session) for index, s in enumerate(scores)]
    assert answers == [[], [0], [0], [0]]
    # For a moment the joints are hardly to be seen.
    assert published(0.9, _frame(WALL, 4), session, mean=0.11) == [0]
    assert published(0.9, _frame(WALL, 5), session, mean=0.09) == []
    assert published(0.9, _frame(WALL, 6), session, mean=0.11) == [0]
    assert published(1.0, _frame(WALL, 7), CameraSession(embedded_models, options), 0.16) == []

    alone = CameraSession(embedded_models, options)
    assert published(0.4, Frame(Image(WALL)), alone) == []
    assert published(0.5, Frame(Image(WALL)), alone) == [0]
    assert published(1.0, Frame(Image(WALL)), alone, mean=0.16) == []

    options.tracking.enabled = False
    untracked = CameraSession(embedded_models, options)
    assert published(0.4, _frame(WALL, 5), untracked) == []
    assert published(0.5, _frame(WALL, 6), untracked) == [-1]
    options = PipelineOptions(min_pose_score=0.0)
    assert published(0.1, _frame(WALL, 7), CameraSession(embedded_models, options)) == [0]


@pytest.mark.parametrize("pipeline", ["v3", "v4", "hybrid"])
def test_images_without_a_stamp_stand_alone(
    pipeline: str, embedded_models: Models, scene_frames: list
) -> None:
    """Unrelated pictures in a loop are no film: no tracks, and nothing from the pose cache."""
    worker = build_pipeline(pipeline, embedded_models, PipelineOptions())
    results = [worker.process(Frame(Image(scene_frames[0]))) for _ in range(3)]
    seen: set[int] = set()
    for result in results:
        ids = set(result.poses.track_ids.tolist())
        assert ids and not ids & seen and result.cache_hits == 0
        assert (result.poses.track_states == TRACK_NEW).all()
        np.testing.assert_array_equal(result.poses.boxes, results[0].poses.boxes)
        seen |= ids


@pytest.mark.parametrize("name", ["v3", "v4", "hybrid"])
def test_other_joints_are_published_than_the_model_has(
    embedded_models: Models, scene_frames: list, name: str
) -> None:
    asked = replace(embedded_models, skeleton=HALPE26)
    options = PipelineOptions(detect_every_many=3)
    own, other = (build_pipeline(name, models, options) for models in (embedded_models, asked))
    for index, pixels in enumerate(scene_frames):
        a, b = own.process(_frame(pixels, index)), other.process(_frame(pixels, index))
        assert (a.skeleton, b.skeleton) == ("coco17", "halpe26")
        np.testing.assert_allclose(b.poses.boxes, a.poses.boxes, atol=0.01)
        np.testing.assert_allclose(b.poses.scores, a.poses.scores, atol=1e-3)
        np.testing.assert_allclose(b.poses.joints.xy[:, :17], a.poses.joints.xy, atol=0.05)
        assert np.isnan(b.poses.joints.xy[:, 17:]).all()
        assert (b.poses.joints.scores[:, 17:] == 0).all()
