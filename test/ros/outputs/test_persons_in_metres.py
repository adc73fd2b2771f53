"""Persons in metres: where each is, their frames, and their boxes as vision_msgs has them."""

from __future__ import annotations

import numpy as np
import pytest
import rclpy
from metric_persons import NO_HIPS, WHOLE, poses_at
from std_msgs.msg import Header

from pose_estimation_ros.ros.outputs.foreign_messages import Detection3DMessages
from pose_estimation_ros.ros.outputs.person_place import person_boxes, person_positions
from pose_estimation_ros.ros.outputs.transforms import TransformPublisher


def test_a_person_is_at_the_root_or_amid_what_is_known() -> None:
    places = person_positions(poses_at(WHOLE, NO_HIPS, {}).poses)
    np.testing.assert_allclose(places[:2], [(1.5, 0, 4), (0, 1, 3)])
    assert np.isnan(places[2]).all()


def test_a_box_is_around_the_joints_that_are_known() -> None:
    centres, sizes = person_boxes(poses_at(WHOLE, {}).poses)
    np.testing.assert_allclose(centres[0], (1.5, -0.5, 3.75))
    np.testing.assert_allclose(sizes[0], (1.0, 1.0, 0.5))
    assert np.isnan(centres[1]).all() and np.isnan(sizes[1]).all()


def test_detections_in_metres() -> None:
    pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed (ROS has it)")
    header = Header(frame_id="base_link")
    array = Detection3DMessages().make(header, poses_at(WHOLE, {}))
    assert array.header.frame_id == "base_link"
    (person,) = array.detections
    assert person.id == "3" and person.results[0].hypothesis.class_id == "person"
    place = person.results[0].pose.pose.position
    assert (place.x, place.y, place.z) == (1.5, 0.0, 4.0)
    assert person.bbox.size.z == 0.5 and person.bbox.center.position.y == -0.5
    assert person.bbox.center.orientation.w == 1.0


def test_frames_of_persons_and_joints() -> None:
    tf2 = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not installed (ROS has it)")
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("frames", context=context)
    sent: list = []
    try:
        publisher = TransformPublisher(node, "robot1/front/")
        node.create_subscription(tf2.TFMessage, "/tf", sent.append, 10)
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(node)
        while not sent:
            publisher.publish(Header(frame_id="cam"), poses_at(WHOLE, {}))
            executor.spin_once(timeout_sec=0.1)
        frames = {t.child_frame_id: t.transform.translation.z for t in sent[0].transforms}
        own = "robot1/front/person_3"
        joints = {f"{own}/left_hip": 4.0, f"{own}/right_hip": 4.0, f"{own}/nose": 3.5}
        assert frames == {own: 4.0, **joints} and not publisher.problem
        publisher.publish(Header(), poses_at(WHOLE))
        assert "header.frame_id of the images is empty" in publisher.problem
        executor.shutdown()
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
