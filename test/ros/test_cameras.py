"""Several cameras, slow models, large images, and bags."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pose_estimation_ros.msg import PoseArray
from processes import Process, Rig

HERE = Path(__file__).resolve().parent


def _start_named_camera(rig: Rig, name: str, seconds: int) -> Process:
    command = [sys.executable, "-m", "pose_estimation_ros.cli.play", "--seconds", str(seconds)]
    command += ["--ros-args", "-r", f"__ns:={rig.namespace}/{name}"]
    return rig.start(command, name)


def test_two_cameras_are_answered_alike_and_one_may_die(rig: Rig) -> None:
    answers: dict[str, list[PoseArray]] = {"left": [], "right": []}
    for name, got in answers.items():
        rig.client.node.create_subscription(PoseArray, f"{name}/poses", got.append, 500)
    topics = [f"{rig.namespace}/{name}/image" for name in answers]
    node = rig.start_node(wait=False, pipeline="v3", cameras="[left, right]", target_fps=4.0)
    rig.client.spin_until(
        lambda: all(rig.client.node.count_subscribers(topic) for topic in topics)
    )
    left = _start_named_camera(rig, "left", 60)
    _start_named_camera(rig, "right", 60)
    rig.client.spin_until(lambda: all(len(got) > 5 for got in answers.values()))

    def rates(seconds: float) -> dict[str, float]:
        before = {name: len(got) for name, got in answers.items()}
        rig.client.spin_for(seconds)
        return {name: (len(got) - before[name]) / seconds for name, got in answers.items()}

    together = rates(6)
    assert together["left"] == pytest.approx(together["right"], rel=0.15)
    left.kill()
    rig.client.spin_for(1)
    alone = rates(6)
    assert alone["left"] == 0
    assert alone["right"] == pytest.approx(together["right"], rel=0.15)
    _start_named_camera(rig, "left", 60)
    rig.client.spin_until(lambda: len(answers["left"]) and rates(2)["left"] > 2)
    # Identities are each camera's own: both begin at 0.
    for got in answers.values():
        assert next(p.track_id for a in got for p in a.poses) == 0
    assert node.interrupt() == 0 and "Traceback" not in node.output
