"""The node as a process: camera process -> node process -> this process, on real DDS."""

from __future__ import annotations

import importlib.util
import itertools
import math
import sys
import time

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from processes import Process, Rig
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image as ImageMsg
from std_srvs.srv import SetBool, Trigger


def _set(rig: Rig, name: str, value: object) -> tuple[bool, str]:
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    result = rig.client.call(SetParameters, "pose_estimation/set_parameters", request).results[0]
    return result.successful, result.reason


def _await_poses(rig: Rig, count: int) -> list:
    """Answers to images sent from now on."""
    start = len(rig.client.poses)
    rig.client.spin_until(lambda: len(rig.client.poses) >= start + count)
    return rig.client.poses[start:]


def _ends_cleanly(node: Process) -> None:
    assert node.interrupt() == 0, node.output
    assert "Traceback" not in node.output, node.output


def _every_frame_is_accounted_for(rig: Rig) -> None:
    """What came in was answered or counted as dropped, once the camera is silent."""
    rig.client.spin_for(2.5)
    values = rig.client.latest_values(": camera")
    dropped = sum(int(count) for key, count in values.items() if key.startswith("dropped: "))
    assert int(values["received"]) == int(values["answered"]) + dropped
    assert int(values["answered"]) == len(rig.client.poses)


@pytest.mark.parametrize("encoding", ["bgr8", "rgb8"])
@pytest.mark.parametrize("pipeline", ["v3", "v4"])
def test_images_in_poses_out(rig: Rig, pipeline: str, encoding: str) -> None:
    node = rig.start_node(pipeline=pipeline)
    camera = rig.start_camera("--seconds", "60", "--encoding", encoding)
    answers = _await_poses(rig, 20)
    chosen = "runtime for person_detector" in node.output  # said where there is a choice
    assert chosen == bool(importlib.util.find_spec("openvino"))
    assert camera.interrupt() == 0, camera.output
    for answer in answers[2:]:
        assert answer.pipeline == pipeline
        assert answer.header.frame_id == "demo_camera"
        assert (answer.image_width, answer.image_height) == (960, 540)
        assert len(answer.keypoint_names) == 17
        assert len(answer.poses) == 1 if pipeline == "v3" else len(answer.poses) >= 3
        for person in answer.poses:
            assert person.track_id >= 0 and len(person.keypoints) == 17
            assert 0 < person.score <= 1
            assert all(math.isfinite(k.x) and 0 <= k.score <= 1 for k in person.keypoints)
        times = answer.times
        assert 0 < times.pose <= times.total <= times.age_at_publish
        assert times.age_at_publish == pytest.approx(times.age_at_receipt + times.total, abs=0.01)
    stamps = [a.header.stamp.sec * 10**9 + a.header.stamp.nanosec for a in answers]
    sequences = [a.sequence for a in answers]
    assert stamps == sorted(set(stamps)) and sequences == sorted(set(sequences))
    _every_frame_is_accounted_for(rig)
    _ends_cleanly(node)


def test_hybrid_answers_with_v4_for_many(rig: Rig) -> None:
    node = rig.start_node(pipeline="hybrid")
    rig.start_camera("--seconds", "60")
    assert {answer.pipeline for answer in _await_poses(rig, 10)} == {"v4"}
    _ends_cleanly(node)


def test_positions_come_with_camera_info(rig: Rig) -> None:
    rig.start_node(pipeline="v4")
    rig.start_camera("--seconds", "60")
    person = _await_poses(rig, 10)[-1].poses[0]
    assert person.depth_source == person.DEPTH_BOX
    known = [k.position for k in person.keypoints if math.isfinite(k.position.z)]
    assert known and all(0.1 < position.z < 30 for position in known)


def test_parameters_change_live_with_reasons_for_refusals(rig: Rig) -> None:
    rig.start_node(pipeline="v4")
    rig.start_camera("--seconds", "60")
    assert all(answer.poses for answer in _await_poses(rig, 5))
    assert _set(rig, "confidence_threshold", 1.0) == (True, "")
    rig.client.spin_until(lambda: not rig.client.poses[-1].poses)
    assert _set(rig, "confidence_threshold", 0.3) == (True, "")
    rig.client.spin_until(lambda: len(rig.client.poses[-1].poses) >= 3)
    assert _set(rig, "max_persons", 1) == (True, "")
    rig.client.spin_until(lambda: len(rig.client.poses[-1].poses) == 1)
    for name, value, words in (
        ("confidence_threshold", 1.5, ["confidence_threshold", "1.5"]),
        ("confidence_threshold", float("nan"), ["confidence_threshold"]),
        ("pipeline", "v3", ["read-only", "pipeline", "restart the node"]),
        ("max_persons", "many", ["expected", "INTEGER"]),
    ):
        successful, reason = _set(rig, name, value)
        assert not successful and all(word in reason for word in words), reason


@pytest.mark.alone
@pytest.mark.flaky(reruns=2)  # rates, which others on the machine may spoil
def test_target_fps_holds_and_counts_what_it_drops(rig: Rig) -> None:
    rig.start_node(pipeline="v3", target_fps=5.0)
    rig.start_camera("--seconds", "4")
    rig.client.spin_for(6)
    stamps = [p.header.stamp.sec + p.header.stamp.nanosec * 1e-9 for p in rig.client.poses]
    rate = (len(stamps) - 1) / (stamps[-1] - stamps[0])
    assert 4.0 < rate < 5.5
    rig.client.spin_until(
        lambda: int(rig.client.latest_values(": camera").get("dropped: rate limit", 0)) > 50
    )


def test_services(rig: Rig) -> None:
    rig.start_node(pipeline="v4")
    rig.start_camera("--seconds", "60")
    before = {person.track_id for person in _await_poses(rig, 5)[-1].poses}
    response = rig.client.call(Trigger, "reset_tracking", Trigger.Request())
    assert response.success and response.message
    after = {person.track_id for person in _await_poses(rig, 5)[-1].poses}
    assert not before & after
    assert rig.client.call(SetBool, "set_enabled", SetBool.Request(data=False)).success
    rig.client.spin_for(1)
    count = len(rig.client.poses)
    rig.client.spin_for(1)
    assert len(rig.client.poses) == count
    rig.client.spin_until(lambda: "disabled" in rig.client.latest_values(": camera")["message"])
    assert rig.client.call(SetBool, "set_enabled", SetBool.Request(data=True)).success
    _await_poses(rig, 5)


def _change(rig: Rig, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(rig.client.call(ChangeState, "pose_estimation/change_state", request).success)


def _state(rig: Rig) -> int:
    return int(
        rig.client.call(GetState, "pose_estimation/get_state", GetState.Request()).current_state.id
    )


def test_lifecycle_by_hand_and_around_again(rig: Rig) -> None:
    node = rig.start_node(wait=False, pipeline="v3", autostart=False)
    assert _state(rig) == State.PRIMARY_STATE_UNCONFIGURED
    for _ in range(2):
        assert _change(rig, Transition.TRANSITION_CONFIGURE)
        assert _state(rig) == State.PRIMARY_STATE_INACTIVE
        assert _change(rig, Transition.TRANSITION_ACTIVATE)
        camera = rig.start_camera("--seconds", "60")
        _await_poses(rig, 5)
        assert _change(rig, Transition.TRANSITION_DEACTIVATE)
        camera.kill()
        assert _change(rig, Transition.TRANSITION_CLEANUP)
        assert _state(rig) == State.PRIMARY_STATE_UNCONFIGURED
    assert not _change(rig, Transition.TRANSITION_ACTIVATE)
    assert "does not start in state 'unconfigured': use one of configure" in node.output
    assert _state(rig) == State.PRIMARY_STATE_UNCONFIGURED
    _ends_cleanly(node)


@pytest.mark.alone
@pytest.mark.flaky(reruns=2)  # rates, which others on the machine may spoil
def test_diagnostics_tell_of_silence_and_keep_their_rate(rig: Rig) -> None:
    rig.start_node(pipeline="v3")
    rig.client.spin_until(
        lambda: "no publisher" in rig.client.latest_values(": camera").get("message", "")
    )
    rig.client.spin_until(lambda: len(rig.client.diagnostics) >= 4)  # however late it was found
    times = [moment for moment, _ in rig.client.diagnostics]
    gaps = [late - early for early, late in itertools.pairwise(times)]
    assert len(gaps) >= 3 and sum(gaps) / len(gaps) == pytest.approx(1.0, abs=0.2)
    rig.start_camera("--seconds", "60")
    _await_poses(rig, 30)
    rig.client.spin_until(
        lambda: "frames a second" in rig.client.latest_values(": camera")["message"]
    )
    values = rig.client.latest_values(": camera")
    assert float(values["pose p50 (ms)"]) > 0 and int(values["answered"]) > 0
    process = rig.client.latest_values(": process")
    assert float(process["memory (MB)"]) > 20
    assert process["pose model active"].startswith("convnextpose_xs_coco17")


def test_a_broken_image_is_named_once_and_the_node_lives_on(rig: Rig) -> None:
    node = rig.start_node(pipeline="v3")
    publisher = rig.client.node.create_publisher(ImageMsg, "image", 1)
    rig.client.spin_until(lambda: publisher.get_subscription_count() > 0)
    for _ in range(10):
        publisher.publish(ImageMsg(width=4, height=4, encoding="klingon", step=4, data=b"0" * 16))
        rig.client.spin_for(0.1)
    assert node.output.count("klingon") == 1
    rig.start_camera("--seconds", "60")
    _await_poses(rig, 5)
    rig.client.spin_until(
        lambda: int(rig.client.latest_values(": camera").get("dropped: unusable image", 0)) >= 9
    )


def test_a_missing_model_file_is_named_and_the_embedded_one_answers(rig: Rig) -> None:
    node = rig.start_node(pipeline="v3", yolo_model="/nowhere/yolo.onnx")
    lines = [line for line in node.output.splitlines() if "/nowhere/yolo.onnx" in line]
    assert "does not exist" in lines[0] and "using person_detector" in lines[0], node.output
    rig.start_camera("--seconds", "60")
    _await_poses(rig, 5)
    rig.client.spin_until(lambda: "fell back" in rig.client.latest_values(": process")["message"])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("pipeline", "v5", ["pipeline", "v5", "v3, v4, hybrid"]),
        ("confidence_threshold", "7.0", ["confidence_threshold", "0 to 1"]),
        ("confidence_threshold", "high", ["confidence_threshold", "expected a number"]),
        ("runtime", "abacus", ["runtime", "abacus", "onnxruntime"]),
    ],
)
def test_a_bad_parameter_ends_with_one_line(rig: Rig, name: str, value: str, words: list) -> None:
    node = rig.start_node(wait=False, **{name: value})
    assert node.wait() == 1
    lines = [line for line in node.output.splitlines() if line.strip()]
    assert len(lines) == 1 and all(word in lines[0] for word in words), node.output


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.6, 0.9, 1.2, 1.6, 2.0])
def test_ctrl_c_at_any_moment_ends_cleanly(rig: Rig, after_s: float) -> None:
    node = rig.start_node(wait=False, pipeline="v4")
    rig.client.spin_for(after_s + 0.25)  # the interpreter itself needs a moment to start
    began = time.monotonic()
    assert node.interrupt(timeout_s=8) == 0, node.output
    assert time.monotonic() - began < 4, "2 s, and a margin for a machine that does other things"
    assert "Traceback" not in node.output, node.output


def test_every_joint_has_a_tf_frame(rig: Rig) -> None:
    tf2 = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not installed (comes with ROS)")
    transforms: list = []
    rig.client.node.create_subscription(tf2.TFMessage, "/tf", transforms.append, 100)
    rig.start_node(pipeline="v3", publish_tf=True)
    rig.start_camera("--seconds", "60")
    rig.client.spin_until(lambda: bool(transforms))
    person, joint = transforms[0].transforms[:2]
    assert person.header.frame_id == joint.header.frame_id == "demo_camera"
    assert person.child_frame_id == "person_0"
    assert joint.child_frame_id.startswith("person_0/")
    assert joint.transform.translation.z > 0 and joint.transform.rotation.w == 1


def test_tf_without_its_messages_says_what_to_install(rig: Rig) -> None:
    if importlib.util.find_spec("tf2_msgs"):
        pytest.skip("tf2_msgs is installed here, so its absence cannot be shown")
    node = rig.start_node(wait=False, publish_tf=True)
    assert node.wait() == 1
    assert "'publish_tf' needs tf2_msgs (" in node.output and "apt install" in node.output


def test_over_a_memory_budget_the_node_warns_and_gives_up_what_it_can(rig: Rig) -> None:
    node = rig.start_node(pipeline="v4", num_workers=2, threads=2, max_memory_mb=20.0)
    rig.start_camera("--seconds", "60")

    def message() -> str:
        return str(rig.client.latest_values(": process").get("message", ""))

    rig.client.spin_until(lambda: "is over 20 MB" in message() and "cached" in message())
    rig.client.spin_until(lambda: "2 workers became one" in message())
    rig.client.spin_until(lambda: rig.client.latest_values(": process")["workers"] == "1")
    _await_poses(rig, 5)
    assert node.output.count("is over max_memory_mb 20") == 2, node.output


_STRUCK_IN_A_LOCK = """
import os, signal, sys, threading
from rclpy.context import Context
from pose_estimation_ros.ros.main import main

plain, calls = Context.ok, []

def ok(self):
    if threading.current_thread() is threading.main_thread():
        calls.append(1)
        if len(calls) == 12:  # the node spins by now
            with self._lock:
                os.kill(os.getpid(), signal.SIGINT)
                print("struck", flush=True)
    return plain(self)

Context.ok = ok
sys.exit(main())
"""


def test_ctrl_c_while_rclpy_holds_a_lock_ends_the_node(rig: Rig) -> None:
    """As the handler runs in the thread that holds it, a handler that wants it waits for ever."""
    node = rig.start([sys.executable, "-c", _STRUCK_IN_A_LOCK], "struck")
    assert node.wait(30) == 0, node.output
    assert "struck" in node.output
    assert "Traceback" not in node.output
