"""Within five seconds of silence the node says why, in its log and in diagnostics."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from processes import Rig
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMsg
from std_msgs.msg import String
from std_srvs.srv import SetBool

from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.ros.health.camera_statistics import CameraStatistics
from pose_estimation_ros.ros.health.no_output import CameraSituation, ImageSubscription, diagnose

# What takes 5 s is to be there in 8; on a machine whose cores are taken by others, discovery alone
# may take the difference.
soon = pytest.mark.flaky(reruns=2)


def _explains(rig: Rig, node: object, words: list[str], timeout_s: float = 8.0) -> None:
    """Diagnostics and log name the reason; 8 s leave room for discovery and a busy machine."""

    def told() -> bool:
        message = rig.client.latest_values(": camera").get("message", "")
        return all(word in message for word in words)

    try:
        rig.client.spin_until(told, timeout_s)
    except AssertionError:
        raise AssertionError(rig.client.latest_values(": camera").get("message")) from None
    assert any(all(w in line for w in words) for line in node.output.splitlines()), node.output


def _doctor() -> str:
    command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "doctor"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


def _publish(rig: Rig, message: Callable[[], ImageMsg], seconds: float) -> None:
    """Publishes at 20 Hz for so long, from the test's own process."""
    publisher = rig.client.node.create_publisher(ImageMsg, "image", 1)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        publisher.publish(message())
        rig.client.spin_for(0.05)


def _wall(stamp_offset_s: float | None) -> ImageMsg:
    pixels = np.full((240, 320, 3), 127, np.uint8)
    message = ImageMsg(height=240, width=320, encoding="bgr8", step=960, data=pixels.tobytes())
    if stamp_offset_s is not None:
        now = time.time() + stamp_offset_s
        message.header.stamp.sec = int(now)
        message.header.stamp.nanosec = int(now % 1 * 1e9)
    return message


@soon
def test_no_publisher(rig: Rig) -> None:
    node = rig.start_node(pipeline="v3")
    _explains(rig, node, ["no publisher on", f"{rig.namespace}/image", "remap"])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (String, ["std_msgs/msg/String", "expected sensor_msgs/msg/Image", "remap"]),
        (CompressedImage, ["sensor_msgs/msg/CompressedImage", "compressed: true"]),
    ],
)
@soon
def test_a_publisher_of_another_type(rig: Rig, kind: type, words: list[str]) -> None:
    node = rig.start_node(pipeline="v3")
    rig.client.node.create_publisher(kind, "image", 1)
    _explains(rig, node, ["test_client", *words])


@soon
def test_incompatible_qos_names_both_policies(rig: Rig) -> None:
    override = {f"qos_overrides.{rig.namespace}/image.subscription.reliability": "reliable"}
    node = rig.start_node(pipeline="v3", **override)
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    rig.client.node.create_publisher(ImageMsg, "image", best_effort)
    _explains(rig, node, ["QoS", "best_effort/volatile", "reliable/volatile", "test_client"])


@soon
def test_a_silent_publisher(rig: Rig) -> None:
    node = rig.start_node(pipeline="v3")
    rig.client.node.create_publisher(ImageMsg, "image", 1)
    _explains(rig, node, ["a publisher is there", "Fast DDS profile"])


@pytest.mark.parametrize(
    ("offset_s", "words"),
    [
        (None, ["stamps are zero", "header.stamp"]),
        (3600.0, ["in the future", "use_sim_time"]),
        (-86400.0, ["old", "use_sim_time"]),
    ],
)
@soon
def test_useless_stamps(rig: Rig, offset_s: float | None, words: list[str]) -> None:
    node = rig.start_node(pipeline="v3")
    _publish(rig, lambda: _wall(offset_s), 2.5)
    _explains(rig, node, words)


@soon
def test_nobody_is_seen(rig: Rig) -> None:
    node = rig.start_node(pipeline="v4")
    _publish(rig, lambda: _wall(0.0), 7.0)
    _explains(rig, node, ["nobody is seen", "confidence_threshold"])


@soon
def test_disabled(rig: Rig) -> None:
    node = rig.start_node(pipeline="v3")
    assert rig.client.call(SetBool, "set_enabled", SetBool.Request(data=False)).success
    _explains(rig, node, ["disabled", "set_enabled"])


def test_inactive(rig: Rig) -> None:
    rig.start_node(wait=False, pipeline="v3", autostart=False)
    rig.client.spin_until(
        lambda: "inactive" in rig.client.latest_values(": process").get("message", "")
    )


def test_the_doctor_says_the_same_from_outside(rig: Rig) -> None:
    rig.start_node(pipeline="v3")
    rig.client.spin_until(
        lambda: "no publisher" in rig.client.latest_values(": camera").get("message", "")
    )
    said = _doctor()
    lines = said.splitlines()
    assert any("no publisher on" in line and rig.namespace in line for line in lines), said


@soon
def test_it_says_so_when_poses_come_again(rig: Rig) -> None:
    node = rig.start_node(pipeline="v3")
    _explains(rig, node, ["no publisher on"])
    rig.start_camera("--seconds", "60")
    rig.client.spin_until(lambda: "poses are coming" in node.output)
    assert node.output.count("no publisher on") == 1


@soon
def test_the_budget_that_drops_frames(rig: Rig) -> None:
    node = rig.start_node(pipeline="v3", target_fps=0.05)
    rig.start_camera("--seconds", "60")
    _explains(rig, node, ["budget of target_fps 0.05", "raise it"], 15)


def test_a_fallback_chain_down_to_its_last_candidate() -> None:
    """No detector loads, so the whole image is taken for a person, and nobody is in it."""

    def missing() -> str:
        raise ModelError("yolo.onnx does not exist")

    detector = FallbackChain(
        "detector", [Candidate.of("yolo", missing), Candidate.of("whole image", str)]
    )
    assert detector.call(lambda loaded: loaded) == ""
    statistics = CameraStatistics()
    statistics.last_person_s -= 60
    source = ImageSubscription("/image", "sensor_msgs/msg/Image", QoSProfile(depth=1))
    situation = CameraSituation(statistics, source, [], models={"detector": detector.status})
    reason = diagnose(situation)
    for words in (
        "nobody is seen",
        "detector is down to its last candidate, whole image",
        "yolo.onnx does",
    ):
        assert words in reason
    assert "last candidate" not in diagnose(CameraSituation(statistics, source, []))


@soon
def test_images_that_are_lost_on_the_way(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node and, from outside, the doctor name whoever lacks the profile for large images."""
    node = rig.start_node(pipeline="v3")
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE")
    size = ["--size", "1920x1080", "--prepared", "--rate", "30", "--seconds", "40"]
    camera = rig.start_camera(*size)
    names = ["Fast DDS profile", "missing at", f"{rig.namespace}/video_player"]
    _explains(rig, node, [*names, f"process {camera.pid}", "camera_info announces"], 25)
    said = _doctor()
    assert any(
        "image topics" in line and f"video_player (process {camera.pid})" in line
        for line in said.splitlines()
    ), said


def test_a_publisher_that_keeps_its_last_image_is_told_from_a_silent_one() -> None:
    def reason(kept: bool, asked: bool) -> str:
        durability = {True: DurabilityPolicy.TRANSIENT_LOCAL, False: DurabilityPolicy.VOLATILE}
        offered = QoSProfile(depth=1, durability=durability[kept])
        wanted = QoSProfile(depth=1, durability=durability[asked])
        kind = "sensor_msgs/msg/Image"
        publisher = SimpleNamespace(
            node_namespace="/", node_name="map", topic_type=kind, qos_profile=offered
        )
        statistics = CameraStatistics()
        statistics.last_image_s = time.monotonic() - 60
        subscription = ImageSubscription("/image", kind, wanted)
        return diagnose(CameraSituation(statistics, subscription, [publisher]))

    assert "qos_overrides./image.subscription.durability to transient_local" in reason(True, False)
    assert "its camera is silent" in reason(True, True)
    assert "its camera is silent" in reason(False, False)


@soon
def test_images_in_the_other_transport(rig: Rig) -> None:
    node = rig.start_node(pipeline="v3")
    rig.client.node.create_publisher(CompressedImage, "image/compressed", 1)
    _explains(rig, node, [f"but one on {rig.namespace}/image/compressed", "compressed: true"])


@soon
def test_the_remapping_that_is_advised_is_that_of_the_camera(rig: Rig) -> None:
    rig.start_node(pipeline="v3", cameras="[front]", wait=False)
    rig.client.spin_until(
        lambda: "front/image:=" in rig.client.latest_values(": front").get("message", ""), 20
    )


@soon
def test_simulated_time_without_a_clock(rig: Rig) -> None:
    node = rig.start_node(pipeline="v3", use_sim_time=True)
    _publish(rig, lambda: _wall(0.0), 3.0)
    _explains(rig, node, ["use_sim_time is set and nothing comes on /clock"])
    rig.client.spin_until(lambda: bool(rig.client.poses))
    times = rig.client.poses[-1].times
    assert np.isnan(times.age_at_receipt) and np.isnan(times.age_at_publish)


@soon
def test_after_a_pause_the_models_are_not_blamed(rig: Rig) -> None:
    rig.start_node(pipeline="v3")
    call = rig.client.call
    assert call(SetBool, "pose_estimation/set_enabled", SetBool.Request(data=False)).success
    _publish(rig, lambda: _wall(0.0), 5.0)
    assert call(SetBool, "pose_estimation/set_enabled", SetBool.Request(data=True)).success
    said = set()
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline:
        rig.client.spin_for(0.2)
        said.add(rig.client.latest_values(": camera").get("message", ""))
    assert not [message for message in said if "too slow" in message]


@soon
def test_missing_intrinsics_are_mentioned(rig: Rig) -> None:
    node = rig.start_node(pipeline="v3", use_depth=True)
    _publish(rig, lambda: _wall(0.0), 6.0)
    _explains(rig, node, ["no positions in metres", f"camera_info on {rig.namespace}/camera_info"])
    assert node.output.count("no positions in metres") == 1
