"""One camera of the node: receives images, has them processed, and counts drops by reason."""

from __future__ import annotations

import math
import time
from functools import partial

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode
from rclpy.logging import LoggingSeverity

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.pipelines import Models, Pipeline
from pose_estimation_ros.errors import CancelledError, InputError, ModelError
from pose_estimation_ros.io.messages.message_types import CameraImage
from pose_estimation_ros.ros.dds import profile as dds_profile
from pose_estimation_ros.ros.frame_processor import FrameProcessor
from pose_estimation_ros.ros.frame_worker import FrameWorker, ReceivedImage
from pose_estimation_ros.ros.health.camera_diagnostics import CameraStatusReporter
from pose_estimation_ros.ros.health.camera_statistics import CameraStatistics
from pose_estimation_ros.ros.health.no_output import NO_OUTPUT_S, CameraSituation
from pose_estimation_ros.ros.health.status_report import STALE, WARN, StatusReport
from pose_estimation_ros.ros.inputs.camera_inputs import CameraInputs
from pose_estimation_ros.ros.inputs.topic_names import other_transport
from pose_estimation_ros.ros.log_lines import Throttle
from pose_estimation_ros.ros.next_image_wait import NextImageWait
from pose_estimation_ros.ros.rate_limit import RateLimit
from pose_estimation_ros.settings import Settings

_REPEAT_S = 10.0
_REPLACED = "replaced by a newer one"


class Camera:
    """Receives images, queues them for the worker, and processes them when the worker calls back.

    The settings are read anew for each image.
    """

    def __init__(
        self,
        node: LifecycleNode,
        name: str,
        pipeline: Pipeline,
        worker: FrameWorker,
        settings: Settings,
    ) -> None:
        """Creates the publishers.

        Raises:
            ConfigError: an output is asked for that cannot be made.
        """
        prefix = f"{name}/" if name else ""
        self._node, self._settings = node, settings
        self._throttle = Throttle(_REPEAT_S)
        self._statistics = CameraStatistics()
        self._inputs = CameraInputs(node, prefix, settings.topics, self._on_image, self._warn)
        self._processor = FrameProcessor(
            node, prefix, pipeline, self._inputs, self._statistics, settings
        )
        self._slot = worker.slot(self._answer_newest)
        self._status = CameraStatusReporter(node, name)
        self._rate_limit, self._timing = RateLimit(), NextImageWait()
        self._enabled = True
        self._reset_requested = False
        self._told_positions = False
        self._frame_id = ""

    def activate(self) -> None:
        """Subscribes to images."""
        self._statistics.start()
        self._status.start()
        self._timing = NextImageWait()
        self._inputs.open()
        self._node.get_logger().info(f"waiting for images on {self._inputs.topic}")

    def deactivate(self) -> None:
        """Unsubscribes from images."""
        self._inputs.close()
        self._drop_waiting("deactivated")

    def close(self) -> None:
        """Destroys publishers and subscriptions."""
        self._inputs.close()
        self._processor.close()

    @property
    def enabled(self) -> bool:
        """Whether images are processed, as set by `set_enabled`."""
        return self._enabled

    def set_enabled(self, enabled: bool) -> None:
        """Pauses or resumes; images received while paused are dropped."""
        if enabled and not self._enabled:
            self._statistics.start()  # the silence until now was asked for
        self._enabled = enabled
        if not enabled:
            self._drop_waiting("disabled")

    def request_reset(self) -> None:
        """Resets tracking before the next image."""
        self._reset_requested = True

    def report(self, active: bool, models: Models | None, inactive: str = "") -> DiagnosticStatus:
        """The diagnostic status; `inactive` says why, where it is not active."""
        statistics, target_fps = self._statistics, self._settings.node.target_fps
        report = self._status.begin(self._inputs.topic, self._frame_id)
        statistics.fill(report, target_fps, self._slot.waiting)
        loss = self._inputs.loss
        report.add("images arrived of those announced (%)", 100 * loss.arrived_share)
        for text in self._processor.missing + self._processor.problems:
            report.raise_to(WARN, text)
        images = self._inputs.images
        if not active or images is None:
            report.raise_to(STALE, inactive or "inactive: activate the node")
            return report.status("")
        publishers = self._node.get_publishers_info_by_topic(images.topic)
        self._inputs.adapt(publishers)
        images = self._inputs.images or images
        self._report_positions(report)
        elsewhere = other_transport(images.topic)
        situation = CameraSituation(
            statistics,
            images,
            publishers,
            self._enabled,
            target_fps,
            arrived_share=loss.arrived_share if loss.many_lost() else math.nan,
            models=models.statuses() if models else {},
            unprofiled=partial(dds_profile.unprofiled, self._node, publishers),
            elsewhere=elsewhere if self._node.count_publishers(elsewhere) else "",
            sim_time=bool(self._node.get_parameter("use_sim_time").value),
            clock_runs=self._node.get_clock().now().nanoseconds > 0,
        )
        return self._status.end(report, situation)

    def _report_positions(self, report: StatusReport) -> None:
        """Where positions come from; a line, once, where they cannot, and a warning if wanted."""
        why = self._inputs.why_no_positions()
        report.add("positions", why or "in metres")
        if not why or not self._statistics.answered:
            return
        topics = self._settings.topics
        wanted = (topics.use_depth, topics.publish_tf, topics.publish_detections_3d)
        if any(wanted) or topics.target_frame:
            report.raise_to(WARN, f"no positions in metres: {why}")
        if not self._told_positions and self._statistics.active_s > NO_OUTPUT_S:
            self._told_positions = True
            self._node.get_logger().warning(f"no positions in metres: {why}")

    def _on_image(self, message: CameraImage) -> None:
        now_s = time.perf_counter()
        sequence = self._statistics.received_one()
        self._frame_id = message.header.frame_id
        if not self._enabled:
            self._drop("disabled", sequence)
            return
        if not self._rate_limit.passes(now_s, self._settings.node.target_fps):
            self._drop("rate limit", sequence)
            return
        received_ns = self._node.get_clock().now().nanoseconds
        received = ReceivedImage(message, sequence, received_ns, now_s)
        if self._settings.topics.every_frame:
            self._slot.answer_now(received)
            return
        self._timing.arrived(now_s)
        if self._slot.put(received):
            self._drop(_REPLACED, sequence - 1)

    def _answer_newest(self, received: ReceivedImage, cancel: CancelToken) -> None:
        """Processes an image, or the next one if that is about to arrive."""
        if self._settings.topics.every_frame:
            self._answer(received, cancel)
            return
        wait_s = self._timing.wait_for_newer_s(received.received_s, time.perf_counter())
        if wait_s and (newer := self._slot.take_newer(wait_s)):
            self._drop(_REPLACED, received.sequence)
            received = newer
        began_s = time.perf_counter()
        self._answer(received, cancel)
        self._timing.answered(time.perf_counter() - began_s)

    def _answer(self, received: ReceivedImage, cancel: CancelToken) -> None:
        """Processes one image, or counts it as dropped with the reason; never raises."""
        topic = self._inputs.topic
        try:
            if self._reset_requested:  # here, since only this thread touches the tracks
                self._reset_requested = False
                self._processor.reset()
            self._processor.answer(received, cancel)
            for problem in self._processor.problems:
                self._warn(f"{topic}: {problem}")
        except CancelledError:
            self._statistics.dropped("cancelled")
        except InputError as error:
            self._statistics.dropped("unusable image")
            self._warn(f"{topic}: {error}")
        except ModelError as error:
            self._statistics.dropped("model failed")
            self._error(str(error))
        except Exception as error:  # the node lives on whatever one frame did
            if not self._node.context.ok():  # Ctrl-C, and nothing can be published any more
                self._statistics.dropped("cancelled")
                return
            self._statistics.dropped("internal error")
            name = type(error).__name__
            self._error(f"frame {received.sequence} of {topic} failed: {name}: {error}")

    def _drop_waiting(self, reason: str) -> None:
        """Drops the image in the mailbox, if there is one."""
        self._statistics.dropped(reason, self._slot.clear())

    def _drop(self, reason: str, sequence: int) -> None:
        self._statistics.dropped(reason)
        if self._node.get_logger().is_enabled_for(LoggingSeverity.DEBUG):
            self._node.get_logger().debug(f"{self._inputs.topic}: frame {sequence}: {reason}")

    def _warn(self, text: str) -> None:
        if self._throttle.passes(text):
            self._node.get_logger().warning(text)

    def _error(self, text: str) -> None:
        if self._throttle.passes(text):
            self._node.get_logger().error(text)
