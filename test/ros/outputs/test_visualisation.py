"""Pictures for listeners, and for nobody else; the packaged viewer files name real topics."""

from __future__ import annotations

import importlib
import importlib.util
import json

import cv2
import numpy as np
import pytest
import yaml
from paths import ROOT
from processes import Rig
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMsg
from visualization_msgs.msg import MarkerArray

CONFIG = ROOT / "config"


def test_every_picture_comes_to_those_who_listen(rig: Rig) -> None:
    images: list[ImageMsg] = []
    jpegs: list[CompressedImage] = []
    markers: list[MarkerArray] = []
    rig.client.node.create_subscription(ImageMsg, "image_annotated", images.append, 5)
    rig.client.node.create_subscription(
        CompressedImage, "image_annotated/compressed", jpegs.append, 5
    )
    rig.client.node.create_subscription(MarkerArray, "markers", markers.append, 5)
    rig.start_node(pipeline="v4")
    rig.start_camera("--seconds", "60")
    rig.client.spin_until(lambda: min(len(images), len(jpegs), len(markers)) > 5)
    assert (images[-1].width, images[-1].height, images[-1].encoding) == (960, 540, "bgr8")
    assert len(images[-1].data) == 960 * 540 * 3
    assert markers[-1].markers and markers[-1].markers[0].points
    assert jpegs[-1].format == "bgr8; jpeg compressed bgr8"
    stamps = {str(image.header): image for image in images}
    jpeg = next(jpeg for jpeg in jpegs if str(jpeg.header) in stamps)
    shown = cv2.imdecode(np.frombuffer(jpeg.data, np.uint8), cv2.IMREAD_COLOR)
    raw = np.frombuffer(stamps[str(jpeg.header)].data, np.uint8).reshape(540, 960, 3)
    assert np.abs(shown.astype(int) - raw).mean() < 8


@pytest.mark.parametrize(
    ("parameter", "package", "kind", "topic"),
    [
        ("publish_detections", "vision_msgs", "Detection2DArray", "detections"),
        ("publish_annotations", "foxglove_msgs", "ImageAnnotations", "annotations"),
    ],
)
def test_messages_of_other_packages(
    rig: Rig, parameter: str, package: str, kind: str, topic: str
) -> None:
    """Where the package is installed they come; elsewhere the node says so and works on."""
    came: list = []
    installed = importlib.util.find_spec(package) is not None
    if installed:
        message = getattr(importlib.import_module(f"{package}.msg"), kind)
        rig.client.node.create_subscription(message, topic, came.append, 50)
    node = rig.start_node(pipeline="v4", **{parameter: True})
    rig.start_camera("--seconds", "60")
    rig.client.spin_until(lambda: len(rig.client.poses) > 5)
    if not installed:
        assert node.output.count(f"{topic} need {package}") == 1, node.output
        rig.client.spin_until(
            lambda: (
                f"apt install ros-jazzy-{package.replace('_', '-')}"
                in rig.client.latest_values(": camera").get("message", "")
            )
        )
        return
    rig.client.spin_until(lambda: len(came) > 5)
    if package == "foxglove_msgs":
        assert came[-1].points and came[-1].texts and came[-1].points[0].outline_color.a == 1
        return
    answers = {(p.header.stamp.sec, p.header.stamp.nanosec): p for p in rig.client.poses}
    array = next(m for m in came if (m.header.stamp.sec, m.header.stamp.nanosec) in answers)
    poses = answers[array.header.stamp.sec, array.header.stamp.nanosec].poses
    assert [d.id for d in array.detections] == [str(p.track_id) for p in poses]
    for found, person in zip(array.detections, poses, strict=True):
        assert found.results[0].hypothesis.class_id == "person"
        assert found.bbox.center.position.x == pytest.approx(
            person.box.x_offset + person.box.width / 2, abs=2
        )


def test_the_viewers_files_name_topics_of_the_node(rig: Rig) -> None:
    rviz = yaml.safe_load((CONFIG / "pose.rviz").read_text())
    displays = rviz["Visualization Manager"]["Displays"]
    shown = {d["Topic"]["Value"]: d["Class"].split("/")[1] for d in displays if "Topic" in d}
    assert shown == {"/image_annotated": "Image", "/markers": "MarkerArray"}
    foxglove = json.loads((CONFIG / "foxglove.json").read_text())

    def panels(layout: object) -> set:
        if isinstance(layout, dict):
            return panels(layout["first"]) | panels(layout["second"])
        return {layout}

    assert panels(foxglove["layout"]) == set(foxglove["configById"])
    panel = foxglove["configById"]
    topics = {panel["Image!poses"]["imageMode"]["imageTopic"], *panel["3D!poses"]["topics"]}
    fields = [path["value"] for path in panel["Plot!latency"]["paths"]]
    rig.start_node(pipeline="v3")
    names = dict(rig.client.node.get_topic_names_and_types())
    for topic in {*topics, *shown}:
        assert f"{rig.namespace}{topic}" in names, topic
    from pose_estimation_ros.msg import StageTimes

    known = StageTimes.get_fields_and_field_types()
    assert all(field.removeprefix("/poses.times.") in known for field in fields)
