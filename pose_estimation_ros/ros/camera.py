"""One camera of the node: receives images, has them processed, and counts drops by reason."""

from __future__ import annotations

import math
import time
from functools import partial

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.pipelines import Models, Pipeline
from pose_estimation_ros.errors import CancelledError, InputError, ModelError
from pose_estimation_ros.io.messages.message_types import CameraImage
from pose_estimation_ros.ros.dds import profile as dds_profile
from pose_estimation_ros.ros.frame_processor import FrameProcessor
from pose_estimation_ros.ros.frame_worker import FrameWorker, ReceivedImage
from pose_estimation_ros.ros.health.camera_diagnostics import CameraStatusReporter
from pose_estimation_ros.ros.health.camera_statistics import CameraStatistics
from pose_estimation_ros.ros.health.no_output import CameraSituation
from pose_estimation_ros.ros.health.status_report import STALE, WARN
from pose_estimation_ros.ros.inputs.camera_inputs import CameraInputs
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
        self._enabled = enabled
        if not enabled:
            self._drop_waiting("disabled")

    def request_reset(self) -> None:
        """Resets tracking before the next image."""
        self._reset_requested = True

    def report(self, active: bool, models: Models | None) -> DiagnosticStatus:
        """The diagnostic status."""
        statistics, target_fps = self._statistics, self._settings.node.target_fps
        report = self._status.begin(self._inputs.topic)
        statistics.fill(report, target_fps, self._slot.waiting)
        loss = self._inputs.loss
        report.add("images arrived of those announced (%)", 100 * loss.arrived_share)
        for text in self._processor.missing:
            report.raise_to(WARN, text)
        images = self._inputs.images
        if not active or images is None:
            report.raise_to(STALE, "inactive: activate the node")
            return report.status("")
        publishers = self._node.get_publishers_info_by_topic(images.topic)
        situation = CameraSituation(
            statistics,
            images,
            publishers,
            self._enabled,
            target_fps,
            arrived_share=loss.arrived_share if loss.many_lost() else math.nan,
            models=models.statuses() if models else {},
            unprofiled=partial(dds_profile.unprofiled, self._node, publishers),
        )
        return self._status.end(report, situation)

    def _on_image(self, message: CameraImage) -> None:
        now_s = time.perf_counter()
        sequence = self._statistics.received_one()
        if not self._enabled:
            self._statistics.dropped("disabled")
            return
        if not self._rate_limit.passes(now_s, self._settings.node.target_fps):
            self._statistics.dropped("rate limit")
            return
        received_ns = self._node.get_clock().now().nanoseconds
        received = ReceivedImage(message, sequence, received_ns, now_s)
        if self._settings.topics.every_frame:
            self._slot.answer_now(received)
            return
        self._timing.arrived(now_s)
        if self._slot.put(received):
            self._statistics.dropped(_REPLACED)

    def _answer_newest(self, received: ReceivedImage, cancel: CancelToken) -> None:
        """Processes an image, or the next one if that is about to arrive."""
        if self._settings.topics.every_frame:
            self._answer(received, cancel)
            return
        wait_s = self._timing.wait_for_newer_s(received.received_s, time.perf_counter())
        if wait_s and (newer := self._slot.take_newer(wait_s)):
            self._statistics.dropped(_REPLACED)
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
        except CancelledError:
            self._statistics.dropped("cancelled")
        except InputError as error:
            self._statistics.dropped("unusable image")
            self._warn(f"{topic}: {error}")
        except ModelError as error:
            self._statistics.dropped("model failed")
            self._error(str(error))
        except Exception as error:  # the node lives on whatever one frame did
            self._statistics.dropped("internal error")
            name = type(error).__name__
            self._error(f"frame {received.sequence} of {topic} failed: {name}: {error}")

    def _drop_waiting(self, reason: str) -> None:
        """Drops the image in the mailbox, if there is one."""
        self._statistics.dropped(reason, self._slot.clear())

    def _warn(self, text: str) -> None:
        if self._throttle.passes(text):
            self._node.get_logger().warning(text)

    def _error(self, text: str) -> None:
        if self._throttle.passes(text):
            self._node.get_logger().error(text)
