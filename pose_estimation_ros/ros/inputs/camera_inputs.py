"""One camera's subscriptions: images, camera_info and depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSPolicyKind, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.io.messages.image import to_image, to_image_compressed
from pose_estimation_ros.io.messages.message_types import CameraImage
from pose_estimation_ros.ros.callback_executor import SlowCallbackGroup
from pose_estimation_ros.ros.health.image_loss import ImageLoss
from pose_estimation_ros.ros.health.no_output import ImageSubscription
from pose_estimation_ros.ros.inputs.camera_info_and_depth import CameraInfoAndDepth
from pose_estimation_ros.ros.inputs.qos import every_one, newest_only
from pose_estimation_ros.settings import CameraTopics

# Durability, too: a publisher that keeps its last image gives it only to who asks for it.
_OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)


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
        self._on_image = on_image
        # With `every_frame` a callback answers its image, and others must not wait for that.
        group = SlowCallbackGroup if topics.every_frame else MutuallyExclusiveCallbackGroup
        self._group = group()
        self._subscriptions: list[Any] = []
        self.images: ImageSubscription | None = None
        self.info_and_depth = CameraInfoAndDepth(
            warn, lambda: node.get_clock().now().nanoseconds * 1e-9
        )
        self.loss = ImageLoss()

    @property
    def topic(self) -> str:
        """The image topic, with namespace and remappings."""
        return self.images.topic if self.images else "(inactive)"

    def open(self) -> None:
        """Creates the subscriptions."""
        topics = self._topics
        kind: Any = CompressedImage if topics.compressed else ImageMsg
        name = self._compressed_topic() if topics.compressed else f"{self._prefix}image"
        qos = every_one() if topics.every_frame else newest_only()
        # Declares the qos_overrides parameters and writes their values into the profile.
        overrides = QoSOverridingOptions(policy_kinds=_OVERRIDABLE)
        subscription = self._add(kind, name, self._take_image, qos, overrides)
        self.images = ImageSubscription(
            str(subscription.topic_name), f"sensor_msgs/msg/{kind.__name__}", qos
        )
        self._add(CameraInfo, f"{self._prefix}camera_info", self._take_info, newest_only())
        if topics.use_depth:
            depth = self.info_and_depth.take_depth
            # In a group of its own: an image that is answered in its callback may wait for it.
            apart = MutuallyExclusiveCallbackGroup()
            self._add(ImageMsg, f"{self._prefix}depth", depth, newest_only(), group=apart)

    def _compressed_topic(self) -> str:
        """As in image_transport, a remapping of `image` applies here too, unless overridden."""
        name = f"{self._prefix}image/compressed"
        resolved = self._node.resolve_topic_name(name)
        if resolved != self._node.resolve_topic_name(name, only_expand=True):
            return str(resolved)
        return f"{self._node.resolve_topic_name(f'{self._prefix}image')}/compressed"

    def close(self) -> None:
        """Destroys the subscriptions."""
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
        qos: QoSProfile,
        overrides: QoSOverridingOptions | None = None,
        group: CallbackGroup | None = None,
    ) -> Any:
        subscription = self._node.create_subscription(
            kind,
            topic,
            callback,
            qos,
            callback_group=group or self._group,
            qos_overriding_options=overrides,
        )
        self._subscriptions.append(subscription)
        return subscription

    def _take_image(self, message: CameraImage) -> None:
        self.loss.arrived()
        self._on_image(message)

    def _take_info(self, message: CameraInfo) -> None:
        self.loss.announced()
        self.info_and_depth.take_camera_info(message)
