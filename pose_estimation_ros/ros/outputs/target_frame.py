"""Positions in another frame than the camera's, through TF at the time of the image."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.errors import ConfigError

# The transform of a moment comes a little after it: what an answer may wait for it.
_WAIT_S, _POLL_S = 0.1, 0.005


class TargetFrame:
    """Takes positions from the camera's frame to `frame`.

    Attributes:
        problem: why the last positions could not be taken there; empty where they could.
    """

    def __init__(self, node: Node, frame: str) -> None:
        """Listens to /tf.

        Raises:
            ConfigError: tf2_ros is not installed.
        """
        try:
            import tf2_ros
        except ImportError as error:
            raise ConfigError(
                f"parameter 'target_frame' needs tf2_ros ({error}): apt install "
                "ros-jazzy-tf2-ros-py"
            ) from error
        self.problem = ""
        self._frame, self._tf2 = frame, tf2_ros
        self._buffer: Any = tf2_ros.Buffer()
        self._listener: Any = tf2_ros.TransformListener(self._buffer, node)
        # Time that runs back, as of a bag that starts again, makes what is known the future's.
        back = JumpThreshold(
            min_forward=None, min_backward=Duration(seconds=-1), on_clock_change=True
        )
        self._jumps = node.get_clock().create_jump_callback(
            back, post_callback=lambda _: self._buffer.clear()
        )

    def close(self) -> None:
        """Stops listening."""
        self._jumps.unregister()
        self._listener.unregister()

    def place(self, header: Header, result: PoseResult) -> tuple[Header, PoseResult]:
        """The result with its positions in the frame, and their header.

        Where TF does not know the way, positions are NaN rather than in another frame than the
        header says.
        """
        poses = result.poses
        placed = Header(stamp=header.stamp, frame_id=self._frame)
        self.problem = ""
        if header.frame_id == self._frame or not np.isfinite(poses.positions_m).any():
            return placed, result
        try:
            matrix = matrix_of(self._look_up(header))
            points = poses.positions_m @ matrix[:, :3].T + matrix[:, 3]
        except self._tf2.TransformException as error:
            reason = " ".join(str(error).split())
            self.problem = f"no positions in {self._frame}: {reason}"
            points = np.full_like(poses.positions_m, np.nan)
        points = points.astype(np.float32)
        return placed, replace(result, poses=replace(poses, positions_m=points))

    def _look_up(self, header: Header) -> Any:
        """The transform of the image's moment, waited for where it has yet to come."""
        moment, end_s = Time.from_msg(header.stamp), time.monotonic() + _WAIT_S
        while True:
            try:
                found = self._buffer.lookup_transform(self._frame, header.frame_id, moment)
                return found.transform
            except self._tf2.ExtrapolationException:
                if time.monotonic() > end_s:
                    raise
                time.sleep(_POLL_S)


def matrix_of(transform: Any) -> AnyArray:
    """A geometry_msgs/Transform as rotation and translation, (3, 4)."""
    q, t = transform.rotation, transform.translation
    x, y, z, w = np.array([q.x, q.y, q.z, q.w]) / np.linalg.norm([q.x, q.y, q.z, q.w])
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w), t.x],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w), t.y],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y), t.z],
        ]
    )
