"""Bodies as REP 155 has them."""

from __future__ import annotations

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PointStamped
from metric_persons import WHOLE, poses_at
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Header

from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.ros.outputs.humans import HumansPublisher, skeleton_points


def test_the_points_of_a_skeleton_and_the_neck_between_the_shoulders() -> None:
    xy = np.arange(34, dtype=float).reshape(17, 2)
    scores = np.linspace(0.1, 0.9, 17)
    points, certain = skeleton_points(COCO17, xy, scores)
    left, right = COCO17.index("left_shoulder"), COCO17.index("right_shoulder")
    np.testing.assert_array_equal(points[0], xy[0])
    np.testing.assert_array_equal(points[5], xy[left])
    np.testing.assert_array_equal(points[1], (xy[left] + xy[right]) / 2)
    assert certain[1] == scores[left] and certain.all()
    xy[right] = np.nan
    _, certain = skeleton_points(COCO17, xy, scores)
    assert certain[1] == certain[2] == 0


def test_every_person_is_a_body_while_it_is_seen() -> None:
    hri = pytest.importorskip("hri_msgs.msg", reason="hri_msgs is not installed")
    tf2 = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not installed")
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("humans", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    ids: list = []
    places: list = []
    skeletons: list = []
    frames: list = []
    own = "/humans/bodies/frontb3"
    try:
        node.create_subscription(hri.IdsList, "/humans/bodies/tracked", ids.append, 10)
        node.create_subscription(PointStamped, f"{own}/position", places.append, 10)
        node.create_subscription(hri.Skeleton2D, f"{own}/skeleton2d", skeletons.append, 10)
        node.create_subscription(tf2.TFMessage, "/tf", frames.append, 10)
        publisher = HumansPublisher(node, "front/")
        image, place = Header(frame_id="cam"), Header(frame_id="base_link")
        while not (ids and places and skeletons and frames):
            publisher.publish(image, place, 640, 480, poses_at(WHOLE, {}))
            executor.spin_once(timeout_sec=0.1)
        assert list(ids[0].ids) == ["frontb3", "frontb4"]
        assert places[0].header.frame_id == "base_link" and places[0].point.z == 4.0
        assert len(skeletons[0].skeleton) == 18 and skeletons[0].header.frame_id == "cam"
        assert frames[0].transforms[0].child_frame_id == "body_frontb3"
        assert node.count_publishers(f"{own}/roi") == 1
        publisher.publish(image, place, 640, 480, poses_at())
        while ids[-1].ids or node.count_publishers(f"{own}/roi"):
            executor.spin_once(timeout_sec=0.1)
        publisher.destroy()
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
