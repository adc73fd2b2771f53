"""A transition that fails says why: in the log, in diagnostics, and leaves the node usable."""

from __future__ import annotations

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from processes import Process, Rig, node_executable


def _start(rig: Rig, *words: str) -> Process:
    command = [node_executable(), "--ros-args", "-r", f"__ns:={rig.namespace}"]
    return rig.start([*command, "-p", "runtime:=onnxruntime", *words], "node")


def _change(rig: Rig, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return rig.client.call(ChangeState, "pose_estimation/change_state", request).success


def _state(rig: Rig) -> int:
    response = rig.client.call(GetState, "pose_estimation/get_state", GetState.Request())
    return response.current_state.id


def _told(rig: Rig, *words: str) -> None:
    def message() -> str:
        return rig.client.latest_values(": process").get("message", "")

    rig.client.spin_until(lambda: all(word in message() for word in words), 15)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-p", "cameras:=['front camera']"], "cannot configure: parameter 'cameras': 'front cam"),
        (["-p", "cameras:=[a, b, a]"], "cannot configure: parameter 'cameras': 'a' is there twi"),
        (["-p", "yolo_model:=/nowhere.onnx", "-p", "cameras:=[a, a]"], "cannot configure: "),
        (["--log-level", "pose_estimation:=loud"], "pose_estimation: error: "),
        (["--params-file", "/nowhere.yaml"], "pose_estimation: error: "),
        (["--frobnicate"], "pose_estimation: error: unknown ROS arguments: "),
    ],
)
def test_a_node_that_cannot_start_says_why_and_ends(rig: Rig, words: list[str], said: str) -> None:
    node = _start(rig, *words)
    assert node.wait() == 1, node.output
    assert said in node.output and "Traceback" not in node.output, node.output


def test_a_wrong_qos_override_fails_the_transition_that_needs_it(rig: Rig) -> None:
    override = f"qos_overrides.{rig.namespace}/image.subscription.reliability:=nonsense"
    node = _start(rig, "-p", override, "-p", "autostart:=false")
    _told(rig, "unconfigured: ros2 lifecycle set", "configure and ros2", "activate")
    assert _change(rig, Transition.TRANSITION_CONFIGURE)
    _told(rig, "inactive: ros2 lifecycle set", f"{rig.namespace}/pose_estimation activate")
    assert not _change(rig, Transition.TRANSITION_ACTIVATE)
    reason = ["cannot activate: ", "reliability", "nonsense"]
    assert any(all(r in line for r in reason) for line in node.output.splitlines()), node.output
    _told(rig, *reason)
    assert _state(rig) == State.PRIMARY_STATE_INACTIVE
    assert _change(rig, Transition.TRANSITION_CLEANUP)
    _told(rig, "unconfigured")
    assert "cannot activate" not in rig.client.latest_values(": process")["message"]
    assert node.interrupt() == 0, node.output


def test_a_mistyped_parameter_is_noticed(rig: Rig) -> None:
    node = _start(rig, "-p", "max_person:=3", "-p", "wheel_base:=0.3", "-p", "autostart:=false")
    rig.client.spin_until(lambda: "wheel_base" in node.output or not node.running)
    assert "there is no parameter 'max_person': did you mean 'max_persons'?" in node.output
    assert "parameters that this node does not have: wheel_base" in node.output
    assert node.interrupt() == 0


def test_an_interruption_while_images_arrive_is_no_error(rig: Rig) -> None:
    rig.start_camera("--seconds", "90")
    for _ in range(3):
        count = len(rig.client.poses)
        node = rig.start_node(pipeline="v4")
        rig.client.spin_until(lambda count=count: len(rig.client.poses) > count + 3)
        assert node.interrupt() == 0
        assert "ERROR" not in node.output and "Traceback" not in node.output, node.output
