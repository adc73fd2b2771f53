"""Positions in the frame asked for, by a real TF tree, at the time of the image."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from metric_persons import WHOLE, poses_at
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from std_msgs.msg import Header

from pose_estimation_ros.ros.outputs.target_frame import TargetFrame

tf2_ros = pytest.importorskip("tf2_ros", reason="tf2_ros is not installed (it comes with ROS 2)")


class _Tree:
    """A node that listens to TF, and what is published there."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("tree", context=self.context)
        self.target = TargetFrame(self.node, "base_link")
        self.moving = tf2_ros.TransformBroadcaster(self.node)
        self.fixed = tf2_ros.StaticTransformBroadcaster(self.node)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def close(self) -> None:
        rclpy.shutdown(context=self.context)
        self._thread.join(5)
        self.target.close()
        self.node.destroy_node()


@pytest.fixture
def tree() -> Iterator[_Tree]:
    tree = _Tree()
    yield tree
    tree.close()


def _optical(stamp: Time, x: float) -> TransformStamped:
    """A camera that looks ahead, x metres before base_link."""
    transform = TransformStamped(child_frame_id="cam")
    transform.header.frame_id, transform.header.stamp = "base_link", stamp
    transform.transform.translation.x = x
    q = transform.transform.rotation
    q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
    return transform


def _until(tree: _Tree, stamp: Time) -> np.ndarray:
    """The position of the nose once TF knows the way."""
    deadline = time.monotonic() + 15
    while True:
        header, result = tree.target.place(Header(frame_id="cam", stamp=stamp), poses_at(WHOLE))
        assert header.frame_id == "base_link" and header.stamp == stamp
        if not tree.target.problem:
            return result.poses.positions_m[0, 0]
        assert np.isnan(result.poses.positions_m).all()
        assert time.monotonic() < deadline, tree.target.problem


def test_the_cameras_axes_become_the_robots(tree: _Tree) -> None:
    tree.fixed.sendTransform(_optical(Time(), 0.5))
    # 3.5 m ahead, 1.5 m to the right, 1 m above the camera.
    np.testing.assert_allclose(_until(tree, Time(sec=100)), (4.0, -1.5, 1.0), atol=1e-5)


def test_the_transform_is_that_of_the_images_time(tree: _Tree) -> None:
    for sec in (100, 101, 102):
        tree.moving.sendTransform(_optical(Time(sec=sec), float(sec - 100)))
    half = _until(tree, Time(sec=100, nanosec=500_000_000))
    assert half[0] == pytest.approx(4.0, abs=1e-4)
    threading.Timer(0.03, tree.moving.sendTransform, [_optical(Time(sec=103), 3.0)]).start()
    assert _until(tree, Time(sec=103))[0] == pytest.approx(6.5, abs=1e-4), "it comes a little late"


def test_a_frame_that_tf_does_not_know_is_named(tree: _Tree) -> None:
    _, result = tree.target.place(Header(frame_id="cam", stamp=Time(sec=1)), poses_at(WHOLE))
    assert "no positions in base_link" in tree.target.problem and "\n" not in tree.target.problem
    assert np.isnan(result.poses.positions_m).all()
    header, same = tree.target.place(Header(frame_id="base_link"), poses_at(WHOLE))
    assert header.frame_id == "base_link" and not tree.target.problem
    assert math.isclose(same.poses.positions_m[0, 0, 2], 3.5)


def test_a_bag_that_starts_again_starts_the_tree_anew(tree: _Tree) -> None:
    tree.moving.sendTransform(_optical(Time(sec=500), 1.0))
    assert _until(tree, Time(sec=500))[0] == pytest.approx(4.5, abs=1e-4)
    clock = tree.node.get_clock()
    clock._set_ros_time_is_active(True)  # what the first message on /clock does
    for sec in (500, 100):
        clock.set_ros_time_override(rclpy.time.Time(seconds=sec, clock_type=clock.clock_type))
    tree.moving.sendTransform(_optical(Time(sec=100), 2.0))
    assert _until(tree, Time(sec=100))[0] == pytest.approx(5.5, abs=1e-4)
