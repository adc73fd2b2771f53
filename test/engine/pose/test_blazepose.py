"""MediaPipe's landmarks: crops turned along the body, joints in the image and in metres."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from constant_models import constant_model

from pose_estimation_ros.engine import CameraModel, CancelToken, Frame, Image, Models
from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.execution.worker_pool import WorkerPool
from pose_estimation_ros.engine.pipelines import V3Pipeline
from pose_estimation_ros.engine.pose.blazepose import BlazePose
from pose_estimation_ros.engine.pose.pose_cache import PoseCache
from pose_estimation_ros.engine.pose.pose_model import pose_model
from pose_estimation_ros.engine.runtimes import load_runtime
from pose_estimation_ros.engine.skeletons import COCO17, MEDIAPIPE33, common_joints
from pose_estimation_ros.model_zoo.manifest import packaged_manifest
from pose_estimation_ros.settings import PipelineOptions, PoseCacheOptions

SIDE = 256
PIXELS = Image(np.full((480, 640, 3), 90, np.uint8))
# The crop of somebody who leans to the right, 30 degrees: centre, side in px, rad.
CROP = np.array([[300.0, 250.0, 360.0, math.radians(30)]])


def in_crop(xy: np.ndarray) -> np.ndarray:
    """Points (n, 2) of the image in CROP: its centre is the crop's, its angle is upright there."""
    x, y, side, angle = CROP[0]
    turned = cv2.getRotationMatrix2D((x, y), math.degrees(angle), SIDE / side)
    turned[:, 2] += SIDE / 2 - np.array([x, y])
    return xy @ turned[:, :2].T + turned[:, 2]


def landmarks() -> tuple[np.ndarray, np.ndarray]:
    """33 joints (33, 2) px of the image around the crop's middle, and their scores (33,)."""
    rng = np.random.default_rng(0)
    return rng.uniform((220, 170), (380, 330), (33, 2)), rng.uniform(0.2, 0.95, 33)


def made(folder: Path, heat: bool = False) -> BlazePose:
    """A model that always finds the landmarks in CROP, and wants to see them in it again."""
    xy, sure = landmarks()
    x, y, side, angle = CROP[0]
    reach = side / 2 / 1.25
    middle = np.array([[x, y], [x + reach * math.sin(angle), y - reach * math.cos(angle)]])
    points = np.zeros((39, 5))
    points[:35, :2] = in_crop(np.concatenate([xy, middle]))
    points[:33, 3] = np.log(sure / (1 - sure))
    upright = np.zeros((39, 3))
    upright[11:13] = [[0.2, -0.5, 0.1], [-0.2, -0.5, 0.1]]  # shoulders above the hips
    outputs = {
        "Identity": points.reshape(1, 195),
        "Identity_1": np.array([[0.99]]),
        "Identity_4": upright.reshape(1, 117),
    }
    if heat:  # 2 px beside the landmarks, which it corrects
        maps = np.full((1, 64, 64, 39), -20.0)
        for point, (u, v) in enumerate(points[:35, :2] / 4):
            if 3 <= u < 61 and 3 <= v < 61:
                near = ((np.mgrid[:64, :64] - np.array([v, u])[:, None, None]) ** 2).sum(axis=0)
                maps[0, ..., point] = 4 - 4 * near
        points[:33, :2] += 2
        outputs["Identity"] = points.reshape(1, 195)
        outputs["Identity_3"] = maps
    outputs = {name: value.astype(np.float32) for name, value in outputs.items()}
    path = constant_model(folder / "blazepose.onnx", (1, SIDE, SIDE, 3), outputs)
    model = pose_model(load_runtime(path, "onnxruntime"))
    assert isinstance(model, BlazePose)
    return model


def box() -> np.ndarray:
    return np.array([[200, 120, 400, 380]], np.float32)


@pytest.mark.parametrize("heat", [False, True])
def test_joints_of_a_turned_crop_come_back_where_they_are(tmp_path: Path, heat: bool) -> None:
    xy, sure = landmarks()
    joints = made(tmp_path, heat).estimate(PIXELS, box(), CROP)
    np.testing.assert_allclose(joints.xy[0], xy, atol=1)
    np.testing.assert_allclose(joints.scores[0], 0.99 * sure, atol=1e-3)
    np.testing.assert_allclose(joints.crops, CROP, atol=1)


def test_metres_are_turned_back_with_the_crop(tmp_path: Path) -> None:
    joints = made(tmp_path).estimate(PIXELS, box(), CROP)
    assert joints.offsets_m is not None
    up = joints.offsets_m[0, 11:13].mean(axis=0)
    # Leaning to the right: the shoulders are to the right of the hips, and above them.
    np.testing.assert_allclose(up, [0.25, -0.5 * math.cos(math.radians(30)), 0.1], atol=1e-3)
    np.testing.assert_allclose(joints.z_m[0, 11:13], 0.1, atol=1e-3)


class Seen:
    """A runtime that notes what lies above the middle of its crops.

    Where it is not white, the person is seen leaning to the right.
    """

    def __init__(self, model: BlazePose) -> None:
        runtime = model.runtime
        self.name, self.path, self.metadata = runtime.name, runtime.path, runtime.metadata
        self.inputs, self.outputs = runtime.inputs, runtime.outputs
        self._run = runtime.run
        self.middles: list[float] = []

    def run(self, *tensors: np.ndarray) -> list[np.ndarray]:
        self.middles.append(float(tensors[0][0, 20, 128, 0]))
        points, *others = self._run(*tensors)
        if self.middles[-1] < 0.5:
            points = points.copy().reshape(39, 5)
            up = 128 - points[34, 1]
            points[34, :2] = 128 + up * math.sin(CROP[0, 3]), 128 - up * math.cos(CROP[0, 3])
        return [points.reshape(1, 195), *others]


def test_whoever_is_new_is_looked_at_twice_and_then_once_a_frame(tmp_path: Path) -> None:
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[:, 330:] = 255  # what lies above the middle of the turned crop, not of the upright one
    runtime = Seen(made(tmp_path))
    model = BlazePose(runtime)
    runtime.middles.clear()
    chain = FallbackChain("pose model", [Candidate.of("blazepose", lambda: model)])
    cache = PoseCache(PoseCacheOptions(cache_size=0))
    for index in range(3):
        cache.estimate(Image(pixels), box() + index, chain, WorkerPool(1), CancelToken())
    assert runtime.middles == pytest.approx([0, 1, 1, 1])
    cache.clear()
    cache.estimate(Image(pixels), box(), chain, WorkerPool(1), CancelToken())
    assert runtime.middles[4:] == pytest.approx([0, 1])


class Upright(Seen):
    """A runtime that is surer of crops with something white above their middle."""

    def run(self, *tensors: np.ndarray) -> list[np.ndarray]:
        points, _, metres = self._run(*tensors)
        self.middles.append(float(tensors[0][0, 20, 128, 0]))
        sure = np.full((1, 1), 0.9 if self.middles[-1] > 0.5 else 0.6, np.float32)
        return [points, sure, metres]


@pytest.mark.parametrize(("white", "angle"), [(slice(450, None), 90), (slice(0, 150), -90)])
def test_who_lies_is_seen_from_that_side(tmp_path: Path, white: slice, angle: int) -> None:
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[:, white] = 255  # the head
    model = BlazePose(Upright(made(tmp_path)))
    lying = np.array([[100, 180, 500, 320]], np.float32)
    joints = model.estimate(Image(pixels), lying)
    assert joints.crops is not None
    assert math.degrees(joints.crops[0, 3]) == pytest.approx(angle, abs=1)
    np.testing.assert_allclose(joints.crops[0, :2], (300, 250), atol=1)


def test_where_nobody_is_no_crop_is_aligned(tmp_path: Path) -> None:
    outputs = {
        "Identity": np.zeros((1, 195), np.float32),
        "Identity_1": np.full((1, 1), 0.01, np.float32),
        "Identity_4": np.zeros((1, 117), np.float32),
    }
    path = constant_model(tmp_path / "nobody.onnx", (1, SIDE, SIDE, 3), outputs)
    joints = pose_model(load_runtime(path, "onnxruntime")).estimate(PIXELS, box())
    assert joints.scores.max() < 0.01 and joints.crops is not None
    assert np.isnan(joints.crops).all()


@pytest.fixture(scope="module")
def real() -> BlazePose:
    entry = packaged_manifest().entries["mediapipe_full"]
    if not entry.path.is_file():
        pytest.skip(f"pip install --no-deps {entry.package}")
    entry.verify()
    pytest.importorskip("ai_edge_litert")
    model = pose_model(load_runtime(entry.path, "tflite", 2))
    assert isinstance(model, BlazePose)
    return model


def test_the_published_model_sees_the_people_whom_ours_sees(
    real: BlazePose, embedded_models: Models, scene_frames: list
) -> None:
    models = Models(
        embedded_models.detector,
        FallbackChain("pose model", [Candidate.of("mediapipe_full", lambda: real)]),
        WorkerPool(1),
    )
    ours, theirs = (V3Pipeline(one, PipelineOptions()) for one in (embedded_models, models))
    here, there = (list(joints) for joints in common_joints(MEDIAPIPE33, COCO17))
    upper = np.array(
        [COCO17.joints[j].endswith(("eye", "ear", "nose", "shoulder")) for j in there]
    )
    for index, scene in enumerate(scene_frames[:4]):
        pixels = np.ascontiguousarray(scene[:, 640:])  # whom it sees best: down to the hips
        frame = Frame(Image(pixels), index / 30, CameraModel(800, 800, 160, 270))
        a, b = (pipeline.process(frame).poses for pipeline in (ours, theirs))
        assert (len(a), len(b)) == (1, 1) and b.skeleton is MEDIAPIPE33
        height = float(a.boxes[0, 3] - a.boxes[0, 1])
        apart = np.linalg.norm(a.joints.xy[0][there] - b.joints.xy[0][here], axis=1) / height
        both = (a.joints.scores[0][there] > 0.5) & (b.joints.scores[0][here] > 0.5) & upper
        assert both.sum() >= 6
        assert np.median(apart[both]) < 0.06
        hips, shoulders = (
            b.positions_m[0, list(joints)].mean(axis=0)
            for joints in (MEDIAPIPE33.hips, MEDIAPIPE33.shoulders)
        )
        assert 0.3 < np.linalg.norm(hips - shoulders) < 0.7, "metres of a torso"
