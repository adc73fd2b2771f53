"""Real clips: every detector and pose model together follow the people in them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.engine import CameraModel, Frame, Image
from pose_estimation_ros.engine.drawing import draw_poses
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.engine.skeletons import MEDIAPIPE33
from pose_estimation_ros.model_zoo import build_models, packaged_manifest
from pose_estimation_ros.settings import EngineConfig, PipelineOptions

FRAMES = 60
# The three people and where they stand in exercise_3people.avi, as parts of its width.
PLACES = {"left": (0.0, 0.40), "middle": (0.35, 0.68), "right": (0.62, 1.0)}


@pytest.mark.slow
@pytest.mark.parametrize("pose", ["tinypose_256x192.xml", ""])
def test_three_people_exercising_are_tracked(pose: str, shared: Path, tmp_path: Path) -> None:
    if pose:
        pytest.importorskip("openvino")
    config = EngineConfig(
        yolo_model=str(shared / "models" / "yolox_nano.onnx"),
        model_path=str(shared / "models" / pose) if pose else "",
        runtime="onnxruntime",
        num_workers=2,
    )
    models = build_models(config)
    models.load()
    assert models.detector.status.index == 0
    assert models.pose.status.index == 0
    pipeline = build_pipeline("v4", models, PipelineOptions())
    capture = cv2.VideoCapture(str(shared / "clips" / "exercise_3people.avi"))
    seen: dict[str, list[int]] = {place: [] for place in PLACES}
    everyone: dict[int, int] = {}
    for index in range(FRAMES):
        more, pixels = capture.read()
        assert more
        result = pipeline.process(Frame(Image(pixels), stamp_s=index / 10))
        poses = result.poses
        for person in range(len(poses)):
            identity = int(poses.track_ids[person])
            everyone[identity] = everyone.get(identity, 0) + 1
            x = poses.boxes[person][[0, 2]].mean() / pixels.shape[1]
            for place, (low, high) in PLACES.items():
                if low <= x < high:
                    seen[place].append(identity)
        if index in (20, 40, 59):
            draw_poses(pixels, result.poses)
            cv2.imwrite(str(tmp_path / f"{pose or 'embedded'}_{index}.png"), pixels)
    models.close()
    lasting = [identity for identity, count in everyone.items() if count > 0.7 * FRAMES]
    assert len(lasting) == 3, everyone
    for place, ids in seen.items():
        assert set(ids) & set(lasting), place
        assert np.isin(ids, lasting).sum() > 0.7 * FRAMES, (place, everyone)


@pytest.mark.slow
def test_bones_in_metres_keep_their_length(shared: Path) -> None:
    entry = packaged_manifest().entries["mediapipe_full"]
    if not entry.in_package:
        pytest.skip(f"pip install --no-deps {entry.package}")
    pytest.importorskip("ai_edge_litert")
    models = build_models(EngineConfig(pipeline="v3", model_path="mediapipe_full"))
    models.load()
    assert models.pose.status.active == "mediapipe_full"
    pipeline = build_pipeline("v3", models, PipelineOptions())
    capture = cv2.VideoCapture(str(shared / "clips" / "squats_1person.mp4"))
    camera = CameraModel(1000, 1000, 360, 640)
    limbs = [("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")]
    bones = np.array(
        [
            [MEDIAPIPE33.index(f"{side}_{part}") for part in limb]
            for side in ("left", "right")
            for limb in limbs
        ]
    )
    lengths = []
    while True:
        more, pixels = capture.read()
        if not more:
            break
        poses = pipeline.process(Frame(Image(pixels), len(lengths) / 5, camera)).poses
        assert len(poses) == 1
        ends = poses.positions_m[0][bones]
        lengths.append(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1))
    models.close()
    assert len(lengths) == 65
    mean, spread = np.mean(lengths, axis=0), np.std(lengths, axis=0)
    assert ((mean > 0.18) & (mean < 0.5)).all(), "an adult's, in metres"
    assert (spread < 0.1 * mean).all()
