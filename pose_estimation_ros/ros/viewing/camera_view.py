"""One camera of a node, seen from outside: its poses joined to their images by the stamp."""

from __future__ import annotations

import math
import struct
import time
from collections import OrderedDict

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.camera_model import CameraModel, is_rectified
from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.errors import InputError, PoseEstimationError
from pose_estimation_ros.io.messages.camera_info import to_calibration
from pose_estimation_ros.io.messages.image import to_image, to_image_compressed
from pose_estimation_ros.msg import PoseArray
from pose_estimation_ros.ros import topic_qos as qos
from pose_estimation_ros.ros.outputs.pose_array import poses_of
from pose_estimation_ros.ros.viewing.frame_places import FramePlaces
from pose_estimation_ros.view.frame import IN_CAMERA, ViewFrame, as_jpeg
from pose_estimation_ros.view.recording import ViewRecording

_COMPRESSED, _JPEG = "/compressed", b"\xff\xd8"
_NEWEST = 3  # messages that wait while the view rests
_KEPT = 8  # images that wait for their poses
_STAGES = ("queue", "decode", "detect", "pose", "track", "publish", "total")
# A serialised message begins with four bytes on its encoding, and these with their stamp.
_STAMP = {0: struct.Struct(">iI"), 1: struct.Struct("<iI")}
_AFTER_STAMP = 12
_INFO_TYPE = "sensor_msgs/msg/CameraInfo"


class CameraView:
    """Messages come serialised, and only those that are shown are read: the others cost little.

    Attributes:
        name: the camera's; empty for the only one.
        frames: how many were shown.
        heard: whether poses have come.
        problem: why the last ones could not be shown; empty where they could.
        places: where cameras are in other frames.
    """

    places: FramePlaces

    def __init__(
        self, node: Node, topic: str, name: str, recording: ViewRecording, rate: float
    ) -> None:
        """Subscribes to the poses; `rate` is the most frames a second, 0 for all."""
        self.name, self.frames, self.heard, self.problem = name, 0, False, ""
        self._node, self._recording = node, recording
        self._period_s = 1 / rate if rate else 0.0
        self._due_s = -math.inf
        self._images: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._image_topic = ""
        self._info_data = b""
        self._info: CameraInfo | None = None
        self._image_frame = ""
        self._last_image_s = -math.inf
        depth = _NEWEST if rate else 10
        node.create_subscription(PoseArray, topic, self._take_poses, _last(depth), raw=True)

    @property
    def rest_s(self) -> float:
        """How long nothing that comes will be shown."""
        return self._due_s - time.monotonic() if self._period_s else 0.0

    def open_images(self, node: str, topic: str, frame: str) -> None:
        """Subscribes to the images of a node, given by its full name; `frame` is that of them."""
        self._image_frame = frame
        if self._image_topic or not topic.startswith("/"):
            return
        self._image_topic = topic
        kind = CompressedImage if topic.endswith(_COMPRESSED) else ImageMsg
        self._node.create_subscription(kind, topic, self._take_image, _last(_NEWEST), raw=True)
        info = self._info_topic(node, topic)
        if info:
            ends = self._node.get_publishers_info_by_topic(info)
            kept = any(e.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for e in ends)
            profile = qos.latched() if kept else qos.newest_only()
            self._node.create_subscription(CameraInfo, info, self._take_info, profile, raw=True)

    def _info_topic(self, node: str, topic: str) -> str:
        """The topic of the intrinsics that a node listens to for an image topic."""
        place, _, name = node.rpartition("/")
        heard = self._node.get_subscriber_names_and_types_by_node(name, place or "/")
        topics = [topic for topic, kinds in heard if _INFO_TYPE in kinds]
        beside = f"{topic.removesuffix(_COMPRESSED).rpartition('/')[0]}/camera_info"
        if beside in topics:
            return beside
        named = [one for one in topics if not self.name or f"/{self.name}/" in one]
        return named[0] if len(named) == 1 else ""

    def _take_info(self, data: bytes) -> None:
        if data[_AFTER_STAMP:] != self._info_data:  # it comes with every image, and rarely changes
            self._info_data = data[_AFTER_STAMP:]
            self._info = deserialize_message(data, CameraInfo)

    def _take_image(self, data: bytes) -> None:
        self._last_image_s = time.monotonic()
        self._images[_stamp(data)] = data
        while len(self._images) > _KEPT:
            self._images.popitem(last=False)

    def _take_poses(self, data: bytes) -> None:
        self.heard = True
        stamp = _stamp(data)
        image = self._images.get(stamp)
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        # People on another image than theirs would be beside themselves: wait for the next one.
        if image is None and self._period_s and now_s - self._last_image_s < 1.0:
            return
        self._due_s = max(self._due_s + self._period_s, now_s - self._period_s)
        self.problem = ""
        message = deserialize_message(data, PoseArray)
        try:
            poses = poses_of(message).poses
        except (PoseEstimationError, ValueError) as error:  # of another version, say
            self.problem = f"poses that cannot be read come: {error}"
            return
        if len(message.keypoint_names) != len(poses.skeleton.joints):
            count = len(message.keypoint_names)
            self.problem = f"poses of {count} joints come, said to be {message.skeleton}"
            return
        self._recording.log(self.name, self._frame(message, poses, image))
        self.frames += 1

    def _frame(self, message: PoseArray, poses: Poses, image: bytes | None) -> ViewFrame:
        header, times = message.header, message.times
        frame = ""
        place: AnyArray | None = IN_CAMERA
        if self._image_frame and header.frame_id != self._image_frame:
            frame = header.frame_id
            place = self.places.place(frame, self._image_frame)
        size = message.image_width, message.image_height
        return ViewFrame(
            time_s=header.stamp.sec + header.stamp.nanosec * 1e-9,
            size=size,
            poses=poses,
            jpeg=None if image is None else self._jpeg(image),
            times_ms={name: getattr(times, name) for name in _STAGES},
            age_ms=times.age_at_publish,
            dropped=message.dropped,
            camera=self._camera(*size),
            place=place,
            frame=frame,
        )

    def _jpeg(self, data: bytes) -> bytes | None:
        """The image as JPEG; None where it cannot be read, which the node says, too."""
        try:
            if self._image_topic.endswith(_COMPRESSED):
                message = deserialize_message(data, CompressedImage)
                sent = bytes(message.data)
                if sent.startswith(_JPEG):
                    return sent
                image = to_image_compressed(message)
            else:
                image = to_image(deserialize_message(data, ImageMsg))
        except InputError:
            return None
        return as_jpeg(image.pixels if image.order == "bgr" else image.pixels[..., ::-1])

    def _camera(self, width: int, height: int) -> CameraModel | None:
        if self._info is None:
            return None
        try:
            rectified = is_rectified(self._image_topic)
            return to_calibration(self._info).camera_for(width, height, rectified)
        except InputError:
            return None


def _last(depth: int) -> QoSProfile:
    """The last messages, from whatever publisher, which never waits for the view."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT
    )


def _stamp(data: bytes) -> tuple[int, int]:
    """Seconds and nanoseconds of a serialised message that begins with a header."""
    sec, nanosec = _STAMP[data[1] & 1].unpack_from(data, 4)
    return sec, nanosec
