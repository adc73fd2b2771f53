"""From a received image to published poses: decode, process, build the message, publish."""

from __future__ import annotations

import math
import time

from rclpy.lifecycle import LifecycleNode
from rclpy.logging import LoggingSeverity

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.latency import Stopwatch
from pose_estimation_ros.engine.pipelines import Pipeline
from pose_estimation_ros.engine.types import Frame
from pose_estimation_ros.io.messages.message_types import seconds
from pose_estimation_ros.msg import PoseArray
from pose_estimation_ros.ros.frame_worker import ReceivedImage
from pose_estimation_ros.ros.health.camera_statistics import CameraStatistics
from pose_estimation_ros.ros.inputs.camera_inputs import CameraInputs
from pose_estimation_ros.ros.outputs.humans import HumansPublisher
from pose_estimation_ros.ros.outputs.pose_array import PoseArrayBuilder
from pose_estimation_ros.ros.outputs.target_frame import TargetFrame
from pose_estimation_ros.ros.outputs.transforms import TransformPublisher
from pose_estimation_ros.ros.outputs.visualisation import Visuals
from pose_estimation_ros.ros.topic_qos import outgoing, overridable
from pose_estimation_ros.settings import Settings


class FrameProcessor:
    """Processes one camera's images with its pipeline. Not thread-safe.

    Attributes:
        missing: outputs that were asked for and cannot be made, each with what to do.
    """

    def __init__(
        self,
        node: LifecycleNode,
        prefix: str,
        pipeline: Pipeline,
        inputs: CameraInputs,
        statistics: CameraStatistics,
        settings: Settings,
    ) -> None:
        """Creates the publishers.

        Raises:
            ConfigError: TF or ROS4HRI is asked for, and its packages are not installed.
        """
        self._node, self._pipeline, self._inputs = node, pipeline, inputs
        self._statistics, self._settings = statistics, settings
        self._poses = node.create_publisher(
            PoseArray, f"{prefix}poses", outgoing(), qos_overriding_options=overridable()
        )
        self._visuals = Visuals(node, prefix, settings.topics)
        self._transforms: TransformPublisher | None = None
        if settings.topics.publish_tf:
            self._transforms = TransformPublisher(node, settings.topics.tf_prefix + prefix)
        self._humans: HumansPublisher | None = None
        if settings.topics.publish_humans:
            self._humans = HumansPublisher(node, prefix)
        self._target: TargetFrame | None = None
        if settings.topics.target_frame:
            self._target = TargetFrame(node, settings.topics.target_frame)
        self._builder = PoseArrayBuilder()

    @property
    def missing(self) -> list[str]:
        return self._visuals.missing

    @property
    def problems(self) -> list[str]:
        """What was wrong with the last answer, each with what to do."""
        parts = (self._target, self._transforms)
        return [part.problem for part in parts if part is not None and part.problem]

    def close(self) -> None:
        """Destroys the publishers."""
        self._node.destroy_publisher(self._poses)
        self._visuals.destroy()
        if self._transforms is not None:
            self._transforms.destroy()
        if self._humans is not None:
            self._humans.destroy()
        if self._target is not None:
            self._target.close()

    def reset(self) -> None:
        """Resets tracking."""
        self._pipeline.reset()

    def answer(self, received: ReceivedImage, cancel: CancelToken) -> None:
        """Publishes the poses of an image.

        Raises:
            CancelledError: the token was cancelled.
            InputError: the image cannot be used.
            ModelError: no detector or no pose model is usable.
        """
        watch = Stopwatch()
        times = {"queue": (time.perf_counter() - received.received_s) * 1e3}
        max_pixels = self._settings.node.max_image_pixels
        image = self._inputs.decode(received.message, max_pixels)
        times["decode"] = watch.lap_ms()
        header = received.message.header
        received_s = received.received_ns * 1e-9
        stamp_s = seconds(header.stamp) or received_s
        beside = self._inputs.info_and_depth
        camera = beside.model_for(image, self._inputs.topic)
        if self._settings.topics.use_depth:
            beside.await_depth(seconds(header.stamp), received.received_s)
        depth = beside.depth_for(image, seconds(header.stamp), received_s, max_pixels)
        frame = Frame(image, stamp_s, camera, depth, pixels_stay=True)
        result = self._pipeline.process(frame, cancel)
        times["detect"], times["pose"] = result.times.detect_ms, result.times.pose_ms
        times["track"] = result.times.track_ms
        watch.lap_ms()
        place = header  # of the positions
        if self._target is not None:
            place, result = self._target.place(header, result)
        message = self._builder.build(place, image.width, image.height, result)
        message.sequence, message.dropped = received.sequence, self._statistics.drops
        times["publish"] = watch.lap_ms()
        times["total"] = (time.perf_counter() - received.received_s) * 1e3
        stamp_ns = round(seconds(header.stamp) * 1e9)
        known = stamp_ns and received.received_ns  # 0 before the first message on /clock
        age_ms = (received.received_ns - stamp_ns) * 1e-6 if known else math.nan
        times["age_at_receipt"] = age_ms
        # Both ages share a moment, so their difference is a duration and takes the steady clock.
        times["age_at_publish"] = age_ms + times["total"]
        for name, value in times.items():
            setattr(message.times, name, value)
        self._poses.publish(message)
        self._statistics.answered_one(result, times)
        if self._node.get_logger().is_enabled_for(LoggingSeverity.DEBUG):
            stages = ", ".join(f"{name} {value:.1f}" for name, value in times.items())
            self._node.get_logger().debug(
                f"{self._inputs.topic}: frame {received.sequence}: {len(result.poses)} persons by "
                f"{result.pipeline}; ms: {stages}"
            )
        if self._transforms is not None:
            self._transforms.publish(place, result)
        if self._humans is not None:
            self._humans.publish(header, place, image.width, image.height, result)
        self._visuals.publish(header, place, image, result)
