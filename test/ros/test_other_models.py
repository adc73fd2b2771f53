"""Changing the model changes no consumer: COCO's joints by name, whatever the node runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from constant_models import constant_model
from pose_families import FAMILIES, IMAGE, Family, Placed, on_canvas, people
from processes import Rig
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.engine.geometry import crop_boxes
from pose_estimation_ros.engine.skeletons import COCO17, SKELETONS

# A one-stage model of COCO's joints and of CrowdPose's, and a whole body's in crops.
NAMES = ["yolov8_pose", "rtmo, CrowdPose", "simcc, whole body"]


def image() -> ImageMsg:
    width, height = IMAGE
    data = np.full((height, width, 3), 90, np.uint8).tobytes()
    return ImageMsg(width=width, height=height, encoding="bgr8", step=3 * width, data=data)


def written(folder: Path, name: str, family: Family, placed: Placed) -> str:
    outputs = family.write(placed)
    path = folder / f"{name}.onnx"
    constant_model(path, family.input_shape, outputs, family.dtype, family.metadata)
    return str(path)


def models_of(folder: Path, family: Family) -> tuple[Placed, dict[str, str]]:
    """People, and the parameters that name models which see them."""
    if family.anchor:
        placed = people(family.joints, count=2)
        model = written(folder, "pose", family, on_canvas(placed, family.anchor))
        return placed, {"model_path": model}
    placed = people(family.joints, count=1)
    size = np.array([family.width, family.height])
    (shown,) = crop_boxes(placed.boxes, family.width / family.height, 1.25)
    joints = placed.joints.copy()
    joints[..., :2] = (joints[..., :2] - shown[:2]) / (shown[2:] - shown[:2]) * size
    model = written(folder, "pose", family, replace(placed, joints=joints))
    boxes = FAMILIES["rtmo"]
    seen = on_canvas(people(17, count=1), boxes.anchor)
    return placed, {"model_path": model, "yolo_model": written(folder, "boxes", boxes, seen)}


@pytest.mark.parametrize("name", NAMES)
def test_a_subscriber_reads_cocos_joints_by_name(rig: Rig, tmp_path: Path, name: str) -> None:
    family = FAMILIES[name]
    placed, models = models_of(tmp_path, family)
    rig.start_node(skeleton="coco17", pipeline="v4", runtime="onnxruntime", **models)
    publisher = rig.client.node.create_publisher(ImageMsg, "image", 1)
    for _ in range(100):
        message = image()
        message.header.stamp = rig.client.node.get_clock().now().to_msg()
        publisher.publish(message)
        rig.client.spin_for(0.2)
        if rig.client.poses and rig.client.poses[-1].poses:
            break
    answer = rig.client.poses[-1]
    assert len(answer.poses) == len(placed.boxes)
    assert answer.skeleton == "coco17"
    assert answer.keypoint_names == list(COCO17.joints)
    assert answer.times.detect > 0 and (answer.times.pose == 0) == bool(family.anchor)
    places = SKELETONS[family.skeleton].places
    for person in answer.poses:
        left = person.box.x_offset
        which = int(np.abs(placed.boxes[:, 0] - left).argmin())
        for joint, keypoint in zip(answer.keypoint_names, person.keypoints, strict=True):
            if joint in places:
                x, y, _ = placed.joints[which, places.index(joint)]
                assert (keypoint.x, keypoint.y) == pytest.approx((x, y), abs=1.5)
                assert keypoint.score > 0.3
            else:
                assert np.isnan([keypoint.x, keypoint.y]).all() and keypoint.score == 0
