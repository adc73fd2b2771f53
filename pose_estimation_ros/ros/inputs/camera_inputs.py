"""One camera's subscriptions: images, camera_info and depth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.io.messages.image import to_image, to_image_compressed
from pose_estimation_ros.io.messages.message_types import CameraImage
from pose_estimation_ros.ros import topic_qos as qos
from pose_estimation_ros.ros.callback_executor import SlowCallbackGroup
from pose_estimation_ros.ros.declared_parameters import is_given
from pose_estimation_ros.ros.health.image_loss import ImageLoss
from pose_estimation_ros.ros.health.no_output import ImageSubscription
from pose_estimation_ros.ros.inputs.camera_info_and_depth import CameraInfoAndDepth
from pose_estimation_ros.ros.inputs.topic_names import camera_info_topic, image_topic
from pose_estimation_ros.settings import CameraTopics


class CameraInputs:
    """Subscribes while the camera is active; every image goes to `on_image`.

    Attributes:
        info_and_depth: the last intrinsics and depth image.
        loss: how many of the announced images arrive.
    """

    def __init__(
        self,
        node: LifecycleNode,
        prefix: str,
        topics: CameraTopics,
        on_image: Callable[[CameraImage], None],
        warn: Callable[[str], None],
    ) -> None:
        self._node, self._prefix, self._topics = node, prefix, topics
        self._on_image, self._warn = on_image, warn
        # With `every_frame` a callback answers its image, and others must not wait for that.
        group = SlowCallbackGroup if topics.every_frame else MutuallyExclusiveCallbackGroup
        self._group = group()
        self._changing = threading.Lock()  # `adapt` comes in another thread than open and close
        self._subscriptions: list[Any] = []
        self._image_subscription: Any = None
        self._latched = False
        self.images: ImageSubscription | None = None
        self.info_and_depth = CameraInfoAndDepth(
            warn, lambda: node.get_clock().now().nanoseconds * 1e-9
        )
        self.loss = ImageLoss()

    @property
    def topic(self) -> str:
        """The image topic, with namespace and remappings."""
        return self.images.topic if self.images else "(inactive)"

    @property
    def info_topic(self) -> str:
        """The topic of camera_info: as remapped, else beside the images."""
        return camera_info_topic(self._node, self._prefix, self._topics.compressed)

    def open(self) -> None:
        """Creates the subscriptions."""
        with self._changing:
            topics = self._topics
            self._open_images(qos.every_one() if topics.every_frame else qos.newest_only())
            self._add(CameraInfo, self.info_topic, self._take_info, qos.newest_only())
            self._latched = False
            if topics.use_depth:
                depth = self.info_and_depth.take_depth
                # In a group of its own: an image answered in its callback may wait for it.
                apart = MutuallyExclusiveCallbackGroup()
                self._add(ImageMsg, f"{self._prefix}depth", depth, qos.newest_only(), group=apart)

    def _open_images(self, profile: QoSProfile, overridable: bool = True) -> None:
        kind: Any = CompressedImage if self._topics.compressed else ImageMsg
        topic = image_topic(self._node, self._prefix, self._topics.compressed)
        subscription = self._add(kind, topic, self._take_image, profile, overridable=overridable)
        self._image_subscription = subscription
        self.images = ImageSubscription(
            str(subscription.topic_name),
            f"sensor_msgs/msg/{kind.__name__}",
            profile,
            f"{self._prefix}image",
        )

    def adapt(self, publishers: list[Any]) -> None:
        """Adapts to what the publishers offer; called once a second.

        A camera_info that was published once, and is kept for those who come later, is asked for
        in that way, which other publishers would not understand. Where every image is to be
        answered and a publisher waits for nobody, those that arrive are answered.

        Args:
            publishers: those of the images (rclpy's TopicEndpointInfo).
        """
        infos = self._node.get_publishers_info_by_topic(self.info_topic)
        keeps = any(p.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in infos)
        with self._changing:
            if self.images is None:
                return
            if keeps and not self._latched and not self.info_and_depth.knows_camera:
                self._latched = True
                take = self.info_and_depth.take_camera_info
                self._add(CameraInfo, self.info_topic, take, qos.latched(), overridable=False)
            if self._asks_too_much(self.images, publishers):
                self._node.destroy_subscription(self._image_subscription)
                self._subscriptions.remove(self._image_subscription)
                self._open_images(qos.every_one_that_arrives(), overridable=False)
                self._warn(
                    f"{self.images.topic}: every_frame answers all images that arrive; its "
                    "publisher is best effort, so some may be lost on the way"
                )

    def _asks_too_much(self, images: ImageSubscription, publishers: list[Any]) -> bool:
        """Whether reliable images are asked for, not by the user, and nobody offers them."""
        if not self._topics.every_frame or images.qos.reliability != ReliabilityPolicy.RELIABLE:
            return False
        offered = [publisher.qos_profile.reliability for publisher in publishers]
        if not offered or any(one != ReliabilityPolicy.BEST_EFFORT for one in offered):
            return False
        name = f"qos_overrides.{images.topic}.subscription.reliability"
        return not is_given(self._node, name)

    def why_no_positions(self) -> str:
        """Why nothing can be said in metres; empty where it can."""
        topic = self.info_topic
        if self.info_and_depth.is_calibrated:
            return ""
        if self.info_and_depth.knows_camera:
            return f"the camera_info on {topic} is not calibrated (its matrix is zero)"
        if self._node.count_publishers(topic):
            return f"nothing came on {topic}"
        remap = f"remap with {self._prefix}camera_info:=<the camera's>"
        return f"no publisher of camera_info on {topic}: {remap}"

    def close(self) -> None:
        """Destroys the subscriptions."""
        with self._changing:
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)
            self._subscriptions.clear()
            self.images = None

    def decode(self, message: CameraImage, max_pixels: int) -> Image:
        """The pixels of an image message.

        Raises:
            InputError: it is damaged, too large, or of an unknown encoding.
        """
        decode: Any = to_image_compressed if self._topics.compressed else to_image
        image: Image = decode(message, max_pixels)
        return image

    def _add(
        self,
        kind: Any,
        topic: str,
        callback: Callable[[Any], None],
        profile: QoSProfile,
        group: CallbackGroup | None = None,
        overridable: bool = True,
    ) -> Any:
        subscription = self._node.create_subscription(
            kind,
            topic,
            callback,
            profile,
            callback_group=group or self._group,
            qos_overriding_options=qos.overridable() if overridable else None,
        )
        self._subscriptions.append(subscription)
        return subscription

    def _take_image(self, message: CameraImage) -> None:
        self.loss.arrived()
        self._on_image(message)

    def _take_info(self, message: CameraInfo) -> None:
        self.loss.announced()
        self.info_and_depth.take_camera_info(message)
