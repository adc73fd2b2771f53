"""Bags: simulated time, every frame, loops, any rate."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
from paths import SUPPORT
from pose_estimation_ros.msg import PersonPose, PoseArray
from processes import Rig
from replay import write_bag


def _replay(
    rig: Rig, bag: Path, frames: int, run: int, *options: str, **parameters: object
) -> list[PoseArray]:
    """Plays a bag with simulated time to a fresh node; its answers, at least so many."""
    rig.client.poses.clear()
    node = rig.start_node(use_sim_time=True, **parameters)
    command = [sys.executable, str(SUPPORT / "replay.py"), str(bag), *options]
    player = rig.start([*command, "--ros-args", "-r", f"__ns:={rig.namespace}"], f"replay-{run}")
    rig.client.spin_until(lambda: not player.running and len(rig.client.poses) >= frames, 120)
    assert player.wait() == 0, player.output
    rig.client.spin_for(1)
    assert node.interrupt() == 0
    return list(rig.client.poses)


def _joints(person: PersonPose) -> list[tuple]:
    return [(k.x, k.y, k.score) for k in person.keypoints]


def _content(message: PoseArray) -> tuple:
    """All but the times."""
    return (
        *(message.header.stamp.sec, message.header.stamp.nanosec, message.sequence),
        *[
            (p.track_id, p.track_state, p.score, p.box.x_offset, p.box.width, *_joints(p))
            for p in message.poses
        ],
    )


def test_a_bag_gives_the_same_poses_twice(rig: Rig, scene_frames: list, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", scene_frames * 4, fps=30)
    runs = [_replay(rig, bag, 60, run, pipeline="v4", every_frame=True) for run in range(2)]
    assert [len(run) for run in runs] == [60, 60]
    assert [m.sequence for m in runs[0]] == list(range(60))
    assert [_content(m) for m in runs[0]] == [_content(m) for m in runs[1]]


def _clip(path: Path, start: int, end: int) -> list:
    """Frames of a video."""
    from pose_estimation_ros.io.video_reader import VideoSource

    return list(itertools.islice(VideoSource(str(path)).frames(), start, end))


def test_a_bag_of_a_real_clip_gives_the_same_poses_twice(
    rig: Rig, shared: Path, tmp_path: Path
) -> None:
    frames = _clip(shared / "clips" / "one_by_one.mp4", 60, 180)
    bag = write_bag(tmp_path / "bag", frames, fps=10)
    runs = [_replay(rig, bag, 120, run, pipeline="v4", every_frame=True) for run in range(2)]
    assert [len(run) for run in runs] == [120, 120]
    assert [_content(m) for m in runs[0]] == [_content(m) for m in runs[1]]
    assert any(message.poses for message in runs[0])


def _stamp_s(message: PoseArray) -> float:
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


@pytest.mark.alone
@pytest.mark.flaky(reruns=2)  # live: a busy machine answers too little of it
def test_live_an_identity_holds_through_a_persons_pass(
    rig: Rig, shared: Path, tmp_path: Path
) -> None:
    """Somebody walks through, nobody is there for four seconds, somebody else comes."""
    first, fps = 50, 10
    frames = _clip(shared / "clips" / "one_by_one.mp4", first, 262)
    bag = write_bag(tmp_path / "bag", frames, fps)
    detector = shared / "models" / "yolox_nano.onnx"
    parameters = {"pipeline": "v4", "yolo_model": detector, "runtime": "onnxruntime"}
    answers = _replay(rig, bag, 60, 0, "--rate", "2", **parameters)
    seen = [
        (first + round((_stamp_s(answer) - 1000) * fps), person.track_id)
        for answer in answers
        for person in answer.poses
    ]
    passes = [{i for frame, i in seen if a <= frame <= b} for a, b in ((66, 192), (234, 262))]
    assert [len(ids) for ids in passes] == [1, 1], passes
    assert passes[0] != passes[1]
    assert not [frame for frame, _ in seen if 200 <= frame <= 225]


@pytest.mark.parametrize("rate", ["0.1", "10"])
def test_a_bag_at_another_rate_keeps_its_stamps(
    rig: Rig, scene_frames: list, tmp_path: Path, rate: str
) -> None:
    """What is measured in the bag's time is the same at any rate: ages, identities, states."""
    bag = write_bag(tmp_path / "bag", scene_frames[:12], fps=15)
    parameters = {"pipeline": "v4", "every_frame": True}
    answers = _replay(rig, bag, 12, 0, "--rate", rate, **parameters)
    stamps = [_stamp_s(answer) for answer in answers]
    assert stamps == pytest.approx([1000 + index / 15 for index in range(12)])
    assert [{p.track_id for p in answer.poses} for answer in answers] == [{0, 1, 2}] * 12
    # By the node's clock, which is the bag's: no image came before it was taken or long after.
    # At tenfold speed several may have been taken by the time that one is looked at.
    assert all(-1 <= answer.times.age_at_receipt < 900 for answer in answers)


@pytest.mark.parametrize("pipeline", ["v3", "v4"])
def test_a_bag_that_starts_again_starts_identities_and_smoothing_anew(
    rig: Rig, scene_frames: list, tmp_path: Path, pipeline: str
) -> None:
    bag = write_bag(tmp_path / "bag", scene_frames, fps=30)
    parameters = {"pipeline": pipeline, "every_frame": True, "enable_smoothing": True}
    answers = _replay(rig, bag, 30, 0, "--loops", "2", **parameters)
    rounds = answers[:15], answers[15:]
    first, second = ({p.track_id for m in part for p in m.poses} for part in rounds)
    assert first and second and not first & second
    # Nothing of the first round is left in the second.
    for one, other in zip(*rounds, strict=True):
        assert [_joints(p) for p in one.poses] == [_joints(p) for p in other.poses]


@pytest.mark.alone
@pytest.mark.flaky(reruns=2)  # live: a busy machine answers too little of it
def test_live_at_tenfold_speed_frames_are_dropped_and_counted(
    rig: Rig, scene_frames: list, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "bag", scene_frames * 8, fps=30)
    answers = _replay(rig, bag, 1, 0, "--rate", "10", pipeline="v4")
    assert answers[-1].dropped == answers[-1].sequence + 1 - len(answers)
    stamps = [_stamp_s(answer) for answer in answers]
    assert stamps == sorted(set(stamps))
