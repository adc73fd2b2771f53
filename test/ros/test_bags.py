"""Bags: simulated time, every frame, loops, any rate."""

from __future__ import annotations

import sys
from pathlib import Path

from pose_estimation_ros.msg import PersonPose, PoseArray
from processes import Rig
from replay import write_bag

HERE = Path(__file__).resolve().parent


def _replay(rig: Rig, bag: Path, frames: int, run: int, **parameters: object) -> list[PoseArray]:
    """Plays a bag with simulated time to a fresh node; its answers."""
    rig.client.poses.clear()
    node = rig.start_node(use_sim_time=True, **parameters)
    command = [sys.executable, str(HERE / "replay.py"), str(bag)]
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


def test_a_bag_of_a_real_clip_gives_the_same_poses_twice(
    rig: Rig, shared: Path, tmp_path: Path
) -> None:
    from pose_estimation_ros.cli.sources import VideoSource

    source = VideoSource(str(shared / "clips" / "one_by_one.mp4"))
    frames = [pixels for _, pixels in zip(range(120), source.frames(), strict=False)]
    bag = write_bag(tmp_path / "bag", frames, source.fps)
    runs = [_replay(rig, bag, 120, run, pipeline="v4", every_frame=True) for run in range(2)]
    assert [len(run) for run in runs] == [120, 120]
    assert [_content(m) for m in runs[0]] == [_content(m) for m in runs[1]]


def test_a_bag_that_starts_again_starts_identities_anew(
    rig: Rig, scene_frames: list, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "bag", scene_frames, fps=30)
    rig.start_node(use_sim_time=True, pipeline="v4", every_frame=True)
    command = [sys.executable, str(HERE / "replay.py"), str(bag), "--loops", "2"]
    player = rig.start([*command, "--ros-args", "-r", f"__ns:={rig.namespace}"], "replay")
    rig.client.spin_until(lambda: len(rig.client.poses) == 30, 60)
    assert player.wait() == 0, player.output
    first = {p.track_id for m in rig.client.poses[:15] for p in m.poses}
    second = {p.track_id for m in rig.client.poses[15:] for p in m.poses}
    assert first and second and not first & second
