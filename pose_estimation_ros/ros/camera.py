"""One camera of the node: its topics, its pipeline, its counters."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.mailbox import Mailboxes
from pose_estimation_ros.engine.pipelines import Models, Pipeline
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.errors import CancelledError, InputError, ModelError
from pose_estimation_ros.io.image_messages import (
    to_image,
    to_image_compressed,
)
from pose_estimation_ros.msg import PoseArray
from pose_estimation_ros.ros.camera_info_and_depth import SideInputs, seconds
from pose_estimation_ros.ros.dds import profile as dds_profile
from pose_estimation_ros.ros.executor import SlowCallbackGroup
from pose_estimation_ros.ros.frame_timing import Rhythm
from pose_estimation_ros.ros.health.camera_statistics import CameraStatistics
from pose_estimation_ros.ros.health.camera_status import CameraReporter
from pose_estimation_ros.ros.health.image_loss import Arrivals
from pose_estimation_ros.ros.health.no_output import Situation, Subscription
from pose_estimation_ros.ros.health.status_report import STALE, WARN
from pose_estimation_ros.ros.logs import Throttle
from pose_estimation_ros.ros.outputs.pose_array import PoseArrayBuilder
from pose_estimation_ros.ros.outputs.transforms import TransformPublisher
from pose_estimation_ros.ros.outputs.visualisation import Visuals
from pose_estimation_ros.ros.qos import OUT, every_one, newest_only
from pose_estimation_ros.settings import MAX_IMAGE_PIXELS, CameraTopics

_JITTER_S = 0.1
_REPEAT_S = 10.0
_REPLACED = "replaced by a newer one"


@dataclass(frozen=True, slots=True)
class Job:
    """A received image and when it came, by the node's clock and by a monotonic one."""

    message: Any
    sequence: int
    received_ns: int
    received_s: float


class Camera:
    """Everything about one camera. Callbacks fill its mailbox, one worker thread answers."""

    def __init__(
        self,
        node: LifecycleNode,
        name: str,
        index: int,
        mailboxes: Mailboxes[Job],
        settings: CameraTopics,
    ) -> None:
        self.name = name
        self.pipeline: Pipeline | None = None
        self.enabled = True
        self.reset_requested = False
        self.target_fps = 0.0
        self.max_pixels = MAX_IMAGE_PIXELS
        self._inline: tuple[Lock, CancelToken] = (Lock(), CancelToken())
        self._node, self._index, self._mailboxes = node, index, mailboxes
        self._prefix = f"{name}/" if name else ""
        self._settings = settings
        # With `every_frame` a callback answers its image, and others must not wait for that.
        group = SlowCallbackGroup if settings.every_frame else MutuallyExclusiveCallbackGroup
        self._group = group()
        self._subscriptions: list[Any] = []
        self._source: Subscription | None = None
        self._poses = node.create_publisher(PoseArray, f"{self._prefix}poses", OUT)
        self._visuals = Visuals(node, self._prefix, OUT, settings)
        self._transforms = TransformPublisher(node, self._prefix) if settings.publish_tf else None
        self._builder = PoseArrayBuilder()
        self._side = SideInputs(self._warn)
        self._throttle = Throttle(_REPEAT_S)
        self._next_due_s = 0.0
        self._last_stamp_s = -math.inf
        self._reporter = CameraReporter(node, name)
        self._arrivals = Arrivals()
        self._rhythm = Rhythm()
        self.statistics = CameraStatistics()

    def subscribe(self, inline: tuple[Lock, CancelToken]) -> None:
        """Starts to take images.

        `inline` is what callbacks need to answer by themselves, as they do with `every_frame`.
        """
        self.statistics.start()
        self._reporter.start()
        self._rhythm = Rhythm()
        self._inline = inline
        kind: Any = CompressedImage if self._settings.compressed else ImageMsg
        topic = f"{self._prefix}image" + ("/compressed" if self._settings.compressed else "")
        qos = every_one() if self._settings.every_frame else newest_only()
        # Declares the qos_overrides parameters and writes their values into the profile.
        images = self._add(kind, topic, self._on_image, qos, overridable=True)
        name = f"sensor_msgs/msg/{kind.__name__}"
        self._source = Subscription(str(images.topic_name), name, qos)
        self._add(CameraInfo, f"{self._prefix}camera_info", self._on_camera_info, newest_only())
        if self._settings.use_depth:
            self._add(ImageMsg, f"{self._prefix}depth", self._side.take_depth, newest_only())
        self._node.get_logger().info(f"waiting for images on {self.topic}")

    def _add(
        self, kind: Any, topic: str, callback: Any, qos: QoSProfile, overridable: bool = False
    ) -> Any:
        options = QoSOverridingOptions.with_default_policies() if overridable else None
        subscription = self._node.create_subscription(
            *(kind, topic, callback, qos),
            callback_group=self._group,
            qos_overriding_options=options,
        )
        self._subscriptions.append(subscription)
        return subscription

    @property
    def topic(self) -> str:
        """The image topic, with namespace and remappings."""
        return self._source.topic if self._source else "(inactive)"

    def unsubscribe(self) -> None:
        """Takes no more images."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._source = None

    def destroy(self) -> None:
        """Ends the topics."""
        self.unsubscribe()
        self._node.destroy_publisher(self._poses)
        self._visuals.destroy()
        if self._transforms is not None:
            self._transforms.destroy()

    def drop_waiting(self, reason: str) -> None:
        """Counts the frame that waited, if one did, as dropped."""
        self.statistics.dropped(reason, self._mailboxes.clear_slot(self._index))

    def _on_image(self, message: Any) -> None:
        now_s = time.perf_counter()
        sequence = self.statistics.received_one()
        self._arrivals.image()
        if not self.enabled:
            self.statistics.dropped("disabled")
            return
        if self.target_fps > 0:
            if now_s < self._next_due_s:
                self.statistics.dropped("rate limit")
                return
            # From the due time on, so that the rate holds on average; without a debt of the past.
            self._next_due_s = max(self._next_due_s, now_s - 1 / self.target_fps)
            self._next_due_s += 1 / self.target_fps
        job = Job(message, sequence, self._node.get_clock().now().nanoseconds, now_s)
        if self._settings.every_frame:
            lock, cancel = self._inline
            with lock:
                self.answer(job, cancel)
            return
        self._rhythm.arrived(now_s)
        if self._mailboxes.put(self._index, job):
            self.statistics.dropped(_REPLACED)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._arrivals.announced()
        self._side.take_camera_info(message)

    def answer_newest(self, job: Job, cancel: CancelToken) -> None:
        """Answers an image from the mailbox, or the next one where that is about to come."""
        patience_s = self._rhythm.patience_s(job.received_s, time.perf_counter())
        if patience_s and (newer := self._mailboxes.take_newer(self._index, patience_s)):
            self.statistics.dropped(_REPLACED)
            job = newer
        began_s = time.perf_counter()
        self.answer(job, cancel)
        self._rhythm.answered(time.perf_counter() - began_s)

    def answer(self, job: Job, cancel: CancelToken) -> None:
        """Answers one image, or counts it as dropped with the reason; never raises."""
        try:
            self._answer(job, cancel)
        except CancelledError:
            self.statistics.dropped("cancelled")
        except InputError as error:
            self.statistics.dropped("unusable image")
            self._warn(f"{self.topic}: {error}")
        except ModelError as error:
            self.statistics.dropped("model failed")
            self._error(str(error))
        except Exception as error:  # the node lives on whatever one frame did
            self.statistics.dropped("internal error")
            name = type(error).__name__
            self._error(f"frame {job.sequence} of {self.topic} failed: {name}: {error}")

    def _answer(self, job: Job, cancel: CancelToken) -> None:
        assert self.pipeline is not None
        if self.reset_requested:  # here, since only this thread touches the tracks
            self.reset_requested = False
            self.pipeline.reset()
        times = {"queue": (time.perf_counter() - job.received_s) * 1e3}
        lap = time.perf_counter()
        image = self._decode(job.message)
        times["decode"] = (time.perf_counter() - lap) * 1e3
        header = job.message.header
        stamp_s = self._steady(seconds(header.stamp) or job.received_ns * 1e-9)
        model = self._side.model_for(image, self.topic)
        depth = self._side.depth_at(stamp_s, self.max_pixels)
        frame = Frame(image, stamp_s, model, depth, pixels_stay=True)
        result = self.pipeline.process(frame, cancel)
        times["detect"], times["pose"] = result.times.detect_ms, result.times.pose_ms
        times["track"] = result.times.track_ms
        lap = time.perf_counter()
        message = self._builder.build(header, image.width, image.height, result)
        message.sequence, message.dropped = job.sequence, self.statistics.drops
        times["publish"] = (time.perf_counter() - lap) * 1e3
        times["total"] = (time.perf_counter() - job.received_s) * 1e3
        stamp_ns = round(seconds(header.stamp) * 1e9)
        age_ms = (job.received_ns - stamp_ns) * 1e-6 if stamp_ns else float("nan")
        times["age_at_receipt"] = age_ms
        # Both ages share a moment, so their difference is a duration and takes the steady clock.
        times["age_at_publish"] = age_ms + times["total"]
        for name, value in times.items():
            setattr(message.times, name, value)
        self._poses.publish(message)
        self.statistics.answered_one(result, times)
        if self._transforms is not None:
            self._transforms.publish(header, result)
        self._visuals.publish(header, image, result)

    def _steady(self, stamp_s: float) -> float:
        """The stamp for tracking; where time starts again, as a bag does, so do the identities.

        Stamps of drivers that take them from two clocks go back and forth a little.
        """
        if stamp_s < self._last_stamp_s:
            if self._last_stamp_s - stamp_s < _JITTER_S:
                return self._last_stamp_s
            assert self.pipeline is not None
            self.pipeline.reset()
        self._last_stamp_s = stamp_s
        return stamp_s

    def _decode(self, message: Any) -> Image:
        decode: Any = to_image_compressed if self._settings.compressed else to_image
        return decode(message, self.max_pixels)

    def _warn(self, text: str) -> None:
        if self._throttle.passes(text):
            self._node.get_logger().warning(text)

    def _error(self, text: str) -> None:
        if self._throttle.passes(text):
            self._node.get_logger().error(text)

    def report(self, active: bool, models: Models | None) -> DiagnosticStatus:
        """The diagnostic status."""
        report = self._reporter.begin(self.topic)
        self.statistics.fill(report, self.target_fps, self._mailboxes.waiting_in(self._index))
        report.add("images arrived of those announced (%)", 100 * self._arrivals.share)
        for text in self._visuals.missing:
            report.raise_to(WARN, text)
        source = self._source
        if not active or source is None:
            report.raise_to(STALE, "inactive: activate the node")
            return report.status("")
        publishers = self._node.get_publishers_info_by_topic(source.topic)
        situation = Situation(
            *(self.statistics, source, publishers, self.enabled, self.target_fps),
            arrived=self._arrivals.share if self._arrivals.few() else math.nan,
            chains=models.statuses() if models else {},
            unprofiled=partial(dds_profile.unprofiled, self._node, publishers),
        )
        return self._reporter.end(report, situation)
