"""The front door: an image in, people with named joints out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros import PoseEstimator
from pose_estimation_ros.engine import ConfigError, InputError
from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.engine.types import Image


@pytest.fixture(scope="module")
def estimator() -> Iterator[PoseEstimator]:
    with PoseEstimator(runtime="onnxruntime") as opened:
        yield opened


def test_a_picture_gives_people_with_named_joints(
    estimator: PoseEstimator, scene_frames: list[np.ndarray]
) -> None:
    poses = estimator(scene_frames[0])
    assert len(poses) == 3 and estimator.skeleton is COCO17
    for person in poses:
        nose, (left, top, right, bottom) = person["nose"], person.box.tolist()
        assert left < nose.x < right and top < nose.y < bottom and 0 < nose.score <= 1
        assert person.track_id >= 0 and not person.lost
    with pytest.raises(KeyError, match="no joint 'tail' in coco17"):
        poses[0]["tail"]


def test_a_picture_without_a_stamp_stands_alone(
    estimator: PoseEstimator, scene_frames: list[np.ndarray]
) -> None:
    first, second = estimator(scene_frames[0]), estimator(scene_frames[0])
    assert len(first) == len(second)
    assert not set(first.track_ids.tolist()) & set(second.track_ids.tolist())


def test_a_sequence_with_stamps_is_tracked(
    estimator: PoseEstimator, scene_frames: list[np.ndarray]
) -> None:
    estimator.reset()
    seen = [estimator(frame, index / 30) for index, frame in enumerate(scene_frames[:5])]
    lasting = set.intersection(*({person.track_id for person in poses} for poses in seen))
    assert len(lasting) >= 3


def test_a_stream_goes_over_a_folder(
    estimator: PoseEstimator, scene_frames: list[np.ndarray], tmp_path: Path
) -> None:
    for index, frame in enumerate(scene_frames[:3]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), frame)
    frames = list(estimator.stream(tmp_path))
    assert [frame.stamp_s for frame in frames] == [0.0, 0.1, 0.2]
    assert set(frames[0].poses.track_ids) == set(frames[2].poses.track_ids)
    np.testing.assert_array_equal(frames[1].image, scene_frames[1])
    apart = list(estimator.stream(tmp_path, sequence=False))
    first, last = apart[0].poses.track_ids.tolist(), apart[2].poses.track_ids.tolist()
    assert not set(first) & set(last)
    with pytest.raises(InputError, match="does not exist"):
        next(estimator.stream(tmp_path / "nothing.mp4"))


def test_v3_gives_one_person(scene_frames: list[np.ndarray]) -> None:
    with PoseEstimator("v3", runtime="onnxruntime", min_pose_score=0.1) as estimator:
        assert estimator.options.min_pose_score == 0.1
        assert len(estimator(scene_frames[0])) == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"pipeline": "v5"}, "'v5' is unknown: choose one of v3, v4, hybrid"),
        ({"min_pose_scoer": 0.3}, "unknown setting 'min_pose_scoer': choose of .*min_pose_score"),
        ({"min_pose_score": 2}, "min_pose_score: 2 is not from 0 to 1"),
        ({"threads": True}, "threads: expected a int, got True"),
        ({"fallback_models": [1]}, r"fallback_models: expected a list of texts, got \[1\]"),
        ({"model_path": None}, "model_path: expected a str, got None"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(
    settings: dict[str, object], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        PoseEstimator(**settings)


@pytest.mark.parametrize(
    ("image", "given"),
    [
        (None, "is None, as cv2.imread gives"),
        ("people.jpg", "is a str"),
        (np.zeros((4, 4), np.uint8), r"array of 4x4 uint8"),
        (np.zeros((4, 4, 4), np.uint8), r"array of 4x4x4 uint8"),
        (np.zeros((4, 4, 3), np.float32), "4x4x3 float32"),
        (np.zeros((0, 4, 3), np.uint8), r"array of 0x4x3 uint8"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(
    estimator: PoseEstimator, image: object, given: str
) -> None:
    with pytest.raises(InputError, match=given):
        estimator(image)  # type: ignore[arg-type]


def test_neither_frames_nor_options_of_a_caller_count_against_the_models(
    scene_frames: list[np.ndarray],
) -> None:
    with PoseEstimator() as estimator:
        for wrong in (scene_frames[0], None, Image(scene_frames[0])):
            with pytest.raises(InputError, match=r"the frame is a .*: expected Frame\(Image"):
                estimator.process(wrong)  # type: ignore[arg-type]
        estimator.options.detector.confidence_threshold = "0.3"  # type: ignore[assignment]
        with pytest.raises(ConfigError, match=r"threshold: expected a float, got '0.3'"):
            estimator(scene_frames[0])
        estimator.options.detector.confidence_threshold = 3.0
        with pytest.raises(ConfigError, match=r"threshold: 3 is not from 0 to 1"):
            estimator(scene_frames[0])
        estimator.options.detector.confidence_threshold = 0.3
        assert len(estimator(scene_frames[0]))


@pytest.mark.parametrize(
    ("source", "words"),
    [("", "empty"), (None, "a NoneType"), (["a.png"], "a list"), (np.eye(3), "a ndarray")],
)
def test_what_is_no_source_is_refused_by_name(
    estimator: PoseEstimator, source: object, words: str
) -> None:
    with pytest.raises(InputError, match=f"the source is {words}: expected the path"):
        next(estimator.stream(source))  # type: ignore[arg-type]


def test_who_only_wants_messages_pays_for_nothing_else() -> None:
    code = (
        "import pose_estimation_ros, sys\n"
        "assert {'PoseEstimator', 'Poses', 'Person'} <= set(dir(pose_estimation_ros))\n"
        "print(*[m for m in ('numpy', 'cv2', 'onnxruntime', 'psutil') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
