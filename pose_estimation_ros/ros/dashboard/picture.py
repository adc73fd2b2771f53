"""The live picture: JPEGs of one camera with skeletons, made only while somebody looks."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.drawing import draw_poses
from pose_estimation_ros.engine.skeletons import Skeleton, skeleton_named
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.messages.image import to_image, to_image_compressed
from pose_estimation_ros.msg import PersonPose, PoseArray
from pose_estimation_ros.ros.topic_qos import newest_only

FRAMES_A_SECOND = 10.0
_LEASE_S = 3.0  # after the last look
_FRESH_S = 2.0
_KEPT = 8  # images that wait for their poses
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]


@dataclass(frozen=True, slots=True)
class PictureTopics:
    """Where a camera's picture comes from: the node's JPEG, or else the camera's own images."""

    annotated: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A person of a message, as engine/drawing.py wants it."""

    box: FloatArray
    score: float
    xy: FloatArray
    joint_scores: FloatArray
    track_id: int
    skeleton: Skeleton


class LivePicture:
    """The newest picture of one camera.

    The node makes its annotated picture only while that has subscribers, so this subscribes when
    somebody asks and unsubscribes when nobody has asked for a few seconds. Where the node offers
    none, the camera's images are taken, and the poses drawn on them here.

    `ask`, `newest` and `is_fresh` may be called from any thread, the others from the executor's.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._asked_s = -np.inf
        self._open: tuple[PictureTopics, Any] | None = None
        self._images: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._newest, self._made_s = (0, b""), -np.inf

    def ask(self) -> None:
        """Says that somebody looks."""
        self._asked_s = time.monotonic()

    def newest(self) -> tuple[int, bytes]:
        """The number of the newest picture, from 1, and its JPEG; 0 where there is none yet."""
        return self._newest

    @property
    def is_fresh(self) -> bool:
        """Whether the newest was made just now."""
        return time.monotonic() - self._made_s < _FRESH_S

    def beat(self, topics: PictureTopics) -> None:
        """Subscribes or unsubscribes, as somebody looks or nobody does."""
        wanted = time.monotonic() - self._asked_s < _LEASE_S
        if self._open is not None and (not wanted or self._open[0] != topics):
            self.close()
        if self._open is None and wanted:
            self._subscribe(topics)

    def _subscribe(self, topics: PictureTopics) -> None:
        if topics.annotated:
            kind: Any = CompressedImage
            topic, take = topics.annotated, self._on_annotated
        elif topics.image:
            kind = CompressedImage if topics.image.endswith("/compressed") else ImageMsg
            topic, take = topics.image, self._on_image
        else:
            return
        self._open = (topics, self._node.create_subscription(kind, topic, take, newest_only()))

    def close(self) -> None:
        if self._open is not None:
            self._node.destroy_subscription(self._open[1])
        self._open = None
        self._images.clear()

    def _too_soon(self) -> bool:
        return time.monotonic() - self._made_s < 1 / FRAMES_A_SECOND

    def _on_annotated(self, message: CompressedImage) -> None:
        if not self._too_soon():
            self._keep(bytes(message.data))

    def _on_image(self, message: Any) -> None:
        stamp = message.header.stamp
        self._images[(stamp.sec, stamp.nanosec)] = message
        while len(self._images) > _KEPT:
            self._images.popitem(last=False)

    def on_poses(self, poses: PoseArray) -> None:
        """Draws them on their image, where the picture is made here.

        An image without an answer is not shown: a disabled node looks at none, and so does this.
        """
        stamp = poses.header.stamp
        message = self._images.pop((stamp.sec, stamp.nanosec), None)
        if message is None or self._too_soon():
            return
        try:
            compressed = isinstance(message, CompressedImage)
            image = to_image_compressed(message) if compressed else to_image(message)
        except InputError:
            return  # the node says in its diagnostics what is wrong with the images
        shown = image.pixels if image.order == "bgr" else image.pixels[..., ::-1]
        pixels = np.array(shown, order="C")
        draw_poses(pixels, [_drawn(person, poses.skeleton) for person in poses.poses])
        self._keep(cv2.imencode(".jpg", pixels, _QUALITY)[1].tobytes())

    def _keep(self, jpeg: bytes) -> None:
        self._newest = (self._newest[0] + 1, jpeg)
        self._made_s = time.monotonic()


def _drawn(person: PersonPose, skeleton: str) -> _Drawn:
    box, joints = person.box, person.keypoints
    x, y = box.x_offset, box.y_offset
    return _Drawn(
        np.array([x, y, x + box.width, y + box.height], np.float32),
        float(person.score),
        np.array([[joint.x, joint.y] for joint in joints], np.float32).reshape(-1, 2),
        np.array([joint.score for joint in joints], np.float32),
        person.track_id,
        skeleton_named(skeleton),
    )
