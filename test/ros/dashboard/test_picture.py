"""The picture that is drawn here, where the node offers none: real messages on real DDS."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import rclpy
from pose_estimation_ros.msg import Keypoint, PersonPose, PoseArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.ros.dashboard.picture import LivePicture, PictureTopics
from pose_estimation_ros.ros.outputs.visualisation import image_message
from pose_estimation_ros.ros.topic_qos import outgoing

_TOPIC = "/camera_of_a_picture"


@pytest.fixture
def executor() -> Iterator[SingleThreadedExecutor]:
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node("a_picture", context=context)
    spinning = SingleThreadedExecutor(context=context)
    spinning.add_node(node)
    yield spinning
    spinning.shutdown()
    node.destroy_node()
    context.try_shutdown()


def _poses(image: Image) -> PoseArray:
    person = PersonPose(track_id=1, score=0.9)
    person.box.x_offset, person.box.y_offset = 20, 20
    person.box.width, person.box.height = 60, 90
    person.keypoints = [
        Keypoint(x=50.0, y=5.0 * joint + 25, score=0.9) for joint in range(len(COCO17.joints))
    ]
    return PoseArray(header=image.header, skeleton=COCO17.name, poses=[person])


def test_poses_are_drawn_on_their_own_image_while_somebody_looks(
    executor: SingleThreadedExecutor,
) -> None:
    node: Node = executor.get_nodes()[0]
    camera = node.create_publisher(Image, _TOPIC, outgoing())
    picture, topics = LivePicture(node), PictureTopics(image=_TOPIC)
    picture.beat(topics)
    assert node.count_subscribers(_TOPIC) == 0  # nobody looks

    deadline = time.monotonic() + 20
    number, jpeg, answers = 0, b"", 0
    while number == 0:
        assert time.monotonic() < deadline
        picture.ask()
        picture.beat(topics)
        image = image_message(PoseArray().header, np.zeros((120, 160, 3), np.uint8))
        image.header.stamp.sec = 100 + answers
        camera.publish(image)
        executor.spin_once(timeout_sec=0.1)
        picture.on_poses(_poses(image))
        number, jpeg = picture.newest()
        answers += 1
    assert picture.is_fresh
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (120, 160, 3)
    assert pixels[20:110, 45:55].max() > 200  # the skeleton, on black

    # An image without an answer is not shown: a disabled node looks at none, and so does this.
    image.header.stamp.sec += 1
    camera.publish(image)
    executor.spin_once(timeout_sec=0.2)
    assert picture.newest()[0] == number
    picture.close()
