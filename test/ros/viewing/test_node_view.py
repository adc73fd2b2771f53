"""A view that is attached to a real node over DDS holds what the node published."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pose_estimation_ros.msg import PoseArray
from processes import Process, Rig
from rerun_files import component, read

pytest.importorskip("rerun", reason="rerun-sdk is not installed")


def _view(rig: Rig, *words: str) -> Process:
    command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "view", *words]
    return rig.start(command, "view")


def _stamp(message: PoseArray) -> float:
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


@pytest.mark.flaky(reruns=2)  # the view shows what it can beside others on the machine
def test_it_holds_what_was_published(rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "node.rrd"
    view = _view(rig, "--ros", rig.namespace, "--save", str(file), "--rate", "0")
    node = rig.start_node(pipeline="v4", runtime="onnxruntime")
    rig.client.spin_until(lambda: "nothing has come" in view.output or not view.running)
    camera = rig.start_camera("--seconds", "4", "--rate", "8", "--prepared", "--size", "480x270")
    rig.client.spin_until(lambda: not camera.running)
    rig.client.spin_for(1.5)
    assert view.interrupt() == 0, view.output
    assert node.running and "Traceback" not in view.output
    rows = read(file)
    messages = {round(_stamp(m), 4): m for m in rig.client.poses}
    shown = rows["/cameras/camera/boxes"]
    assert len(shown) > 3  # how many of them a busy machine lets it show
    ids = component(rows, "/cameras/camera/boxes", "track_id")
    points = component(rows, "/cameras/camera/joints", "Points2D:positions")
    metres = component(rows, "/people/camera/joints", "Points3D:positions")
    stages = component(rows, "/plots/camera/stages", "Scalars:scalars")
    ages = component(rows, "/plots/camera/age", "Scalars:scalars")
    for index, (time_s, _) in enumerate(shown):
        message = messages[round(time_s, 4)]
        assert ids[index].tolist() == [person.track_id for person in message.poses]
        keypoints = [k for person in message.poses for k in person.keypoints if k.score >= 0.2]
        assert np.allclose(points[index], [(k.x, k.y) for k in keypoints], atol=1e-3)
        places = [(k.position.x, k.position.y, k.position.z) for k in keypoints]
        places = [place for place in places if np.isfinite(place).all()]
        assert np.allclose(metres[index], places, atol=1e-4)
        assert ages[index][0] == pytest.approx(message.times.age_at_publish, rel=1e-3)
        assert stages[index][-1] == pytest.approx(message.times.total, rel=1e-3)
    assert max(map(len, ids)) == 3
    assert len(component(rows, "/cameras/camera/image", "EncodedImage:blob")) > 1
    assert component(rows, "/process/memory", "Scalars:scalars")[-1] > 50
    assert component(rows, "/plots/camera/fps", "Scalars:scalars")
    # Intrinsics came, so that the camera stands where it is: in its own frame.
    (place, *_) = component(rows, "/cameras/camera", "Transform3D:translation")
    assert place.reshape(-1).tolist() == [0, 0, 0]


def test_where_nobody_is_it_waits_and_says_who_is_there(rig: Rig, tmp_path: Path) -> None:
    rig.client.node.create_publisher(PoseArray, "poses", 1)
    view = _view(rig, "--ros", "/elsewhere", "--save", str(tmp_path / "run.rrd"))
    found = f"some in {rig.namespace} (--ros {rig.namespace})"
    rig.client.spin_until(lambda: found in view.output or not view.running)
    assert "no node in /elsewhere" in view.output
    time.sleep(0.2)
    assert view.interrupt() == 0 and "0 frames shown" in view.output


@pytest.mark.flaky(reruns=2)  # the view shows what it can beside others on the machine
def test_every_camera_has_its_own_place(rig: Rig, tmp_path: Path) -> None:
    """Two cameras of a node, of which one sends JPEG images to a topic with another name."""
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
    from sensor_msgs.msg import CompressedImage
    from std_msgs.msg import Header

    from pose_estimation_ros.engine.skeletons import COCO17
    from pose_estimation_ros.view.frame import as_jpeg

    node, file = rig.client.node, tmp_path / "two.rrd"
    poses = [node.create_publisher(PoseArray, f"{name}/poses", 1) for name in ("front", "rear")]
    images = node.create_publisher(CompressedImage, "/rgb/compressed", 1)
    diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
    view = _view(rig, "--ros", rig.namespace, "--save", str(file), "--rate", "0", "--frames", "12")
    values = [KeyValue(key="package", value="pose_estimation_ros")]
    values.append(KeyValue(key="topic", value="/rgb/compressed"))
    name = f"{rig.namespace.strip('/')}/test_client: rear"
    status = DiagnosticStatus(name=name, values=values, hardware_id="lens")
    jpeg = as_jpeg(np.full((48, 64, 3), 99, np.uint8))
    joints = list(COCO17.joints)
    deadline = time.monotonic() + 40
    while view.running and time.monotonic() < deadline:
        diagnostics.publish(DiagnosticArray(status=[status]))
        stamp = node.get_clock().now().to_msg()
        if images.get_subscription_count():
            header = Header(stamp=stamp, frame_id="lens")
            images.publish(CompressedImage(header=header, format="jpeg", data=jpeg))
            rig.client.spin_for(0.3)  # it has to arrive before its poses
            for publisher in poses:
                message = PoseArray(header=Header(stamp=stamp, frame_id="map"), skeleton="coco17")
                message.image_width, message.image_height = 64, 48
                publisher.publish(message)  # of no joints, which no node publishes
                message.keypoint_names = joints
                publisher.publish(message)
        rig.client.spin_for(0.1)
    assert view.wait() == 0, view.output
    rows = read(file)
    assert rows["/cameras/front/boxes"] and rows["/cameras/rear/boxes"]
    (blob, *_) = component(rows, "/cameras/rear/image", "EncodedImage:blob")
    assert bytes(blob.reshape(-1).astype(np.uint8)) == jpeg, "passed on as it came"
    assert "/cameras/front/image" not in rows
