"""Annotated images and 3D markers, published only while there are subscribers."""

from __future__ import annotations

import array
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMsg
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.drawing import draw_poses, track_colour
from pose_estimation_ros.engine.skeletons import skeleton_named
from pose_estimation_ros.engine.types import Image, PoseResult
from pose_estimation_ros.ros.outputs.foreign_messages import (
    AnnotationMessages,
    Detection3DMessages,
    DetectionMessages,
    ForeignMessages,
)
from pose_estimation_ros.ros.topic_qos import outgoing, overridable
from pose_estimation_ros.settings import CameraTopics

_LIFETIME = Duration(nanosec=500_000_000)
_BONE_WIDTH_M = 0.03
_JPEG_QUALITY = 80


class Visuals:
    """Publishers of one camera's annotated images, markers, and other packages' messages.

    Those in the messages of other packages are published where the settings ask for them. One
    whose package is not installed is left out, with one line in the log; `missing` says which,
    and what to do.
    """

    def __init__(self, node: Node, prefix: str, topics: CameraTopics) -> None:
        self.missing: list[str] = []
        self._node, self._prefix = node, prefix
        self._raw = self._open(ImageMsg, "image_annotated")
        self._jpeg = self._open(CompressedImage, "image_annotated/compressed")
        self._markers = self._open(MarkerArray, "markers")
        self._foreign: list[tuple[Any, Any]] = []
        if topics.publish_detections:
            self._add_foreign(DetectionMessages)
        if topics.publish_detections_3d:
            self._add_foreign(Detection3DMessages)
        if topics.publish_annotations:
            self._add_foreign(AnnotationMessages)

    def _open(self, kind: Any, topic: str) -> Any:
        return self._node.create_publisher(
            kind, self._prefix + topic, outgoing(), qos_overriding_options=overridable()
        )

    def _add_foreign(self, kind: ForeignMessages) -> None:
        try:
            maker = kind()
        except ImportError as error:
            apt = f"ros-jazzy-{kind.package.replace('_', '-')}"
            text = f"{kind.topic} need {kind.package} ({error}): apt install {apt}"
            self.missing.append(text)
            self._node.get_logger().error(text)
            return
        self._foreign.append((maker, self._open(maker.kind, kind.topic)))

    def publish(self, header: Header, place: Header, image: Image, result: PoseResult) -> None:
        """Publishes on every topic that has subscribers.

        `header` is the image's, `place` that of the positions.
        """
        raw, jpeg = _listened_to(self._raw), _listened_to(self._jpeg)
        if raw or jpeg:
            pixels = annotated(image, result)
            if raw:
                self._raw.publish(image_message(header, pixels))
            if jpeg:
                self._jpeg.publish(jpeg_message(header, pixels))
        if _listened_to(self._markers):
            self._markers.publish(pose_markers(place, result))
        for maker, publisher in self._foreign:
            if _listened_to(publisher):
                publisher.publish(maker.make(place if maker.in_metres else header, result))

    def destroy(self) -> None:
        publishers = [self._raw, self._jpeg, self._markers, *(p for _, p in self._foreign)]
        for publisher in publishers:
            self._node.destroy_publisher(publisher)


def _listened_to(publisher: Any) -> bool:
    return bool(publisher.get_subscription_count())


def annotated(image: Image, result: PoseResult) -> ByteArray:
    """A copy of the image, (height, width, 3) BGR, with the poses drawn on it."""
    pixels = np.ascontiguousarray(
        image.pixels if image.order == "bgr" else image.pixels[..., ::-1]
    )
    if np.shares_memory(pixels, image.pixels):
        pixels = pixels.copy()
    draw_poses(pixels, result.poses)
    return pixels


def image_message(header: Header, pixels: ByteArray) -> ImageMsg:
    """(height, width, 3) BGR pixels as a bgr8 message."""
    height, width = pixels.shape[:2]
    message = ImageMsg(header=header, encoding="bgr8", height=height, width=width)
    message.step = 3 * width
    message.data = _bytes(pixels)
    return message


def jpeg_message(header: Header, pixels: ByteArray) -> CompressedImage:
    """(height, width, 3) BGR pixels as JPEG, as compressed_image_transport sends it."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return CompressedImage(header=header, format="bgr8; jpeg compressed bgr8", data=_bytes(data))


def _bytes(pixels: Any) -> array.array[int]:
    # An array.array is taken as it is; bytes would be converted element by element.
    data = array.array("B")
    data.frombytes(pixels.data)
    return data


def pose_markers(header: Header, result: PoseResult) -> MarkerArray:
    """The bones of every person that has metric positions, as line lists for RViz."""
    skeleton = skeleton_named(result.skeleton)
    markers = MarkerArray()
    for person in range(len(result.poses)):
        points = result.poses.positions_m[person]
        known = np.isfinite(points).all(axis=1)
        track = int(result.poses.track_ids[person])
        blue, green, red = track_colour(track)
        marker = Marker(
            header=header,
            ns="pose",
            id=track if track >= 0 else 1_000_000 + person,
            type=Marker.LINE_LIST,
            action=Marker.ADD,
            lifetime=_LIFETIME,
            scale=Vector3(x=_BONE_WIDTH_M),
            color=ColorRGBA(r=red / 255, g=green / 255, b=blue / 255, a=1.0),
        )
        marker.pose.orientation.w = 1.0
        for bone in skeleton.bones:
            if known[list(bone)].all():
                for joint in bone:
                    x, y, z = points[joint].tolist()
                    marker.points.append(Point(x=x, y=y, z=z))
        if marker.points:
            markers.markers.append(marker)
    return markers
