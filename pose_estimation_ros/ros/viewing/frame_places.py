"""Where a camera is in the frame of its positions, as far as TF says so."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.ros.outputs.target_frame import matrix_of


class FramePlaces:
    """Listens to TF from the first question on."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None
        self._listener: Any = None
        self._error: Any = None

    def place(self, frame: str, camera: str) -> AnyArray | None:
        """Rotation and translation (3, 4) from the camera's frame; None where TF does not know."""
        if self._listener is None:
            try:
                import tf2_ros
            except ImportError:
                return None
            self._error = tf2_ros.TransformException
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, self._node)
        try:
            found = self._buffer.lookup_transform(frame, camera, Time())
        except self._error:
            return None
        return matrix_of(found.transform)
