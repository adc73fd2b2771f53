"""A camera's diagnostic status, and the log lines that go with it."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from pose_estimation_ros.ros.health.no_output import SILENCE_S, Situation, explain
from pose_estimation_ros.ros.health.status_report import ERROR, STALE, WARN, Report
from pose_estimation_ros.ros.logs import without_figures


class CameraReporter:
    """A new reason for silence is one line in the log, and so is its end."""

    def __init__(self, node: Node, camera: str) -> None:
        self._node, self._name = node, camera or "camera"
        self._explained = ""

    def start(self) -> None:
        """What is wrong from now on is told even if it was told before."""
        self._explained = ""

    def begin(self, topic: str) -> Report:
        """A report for the camera that listens to a topic."""
        report = Report(f"{self._node.get_fully_qualified_name()}: {self._name}")
        report.add("topic", topic)
        return report

    def end(self, report: Report, situation: Situation) -> DiagnosticStatus:
        """The report's status, with the reason where poses do not come as they should."""
        reason, statistics, now_s = explain(situation), situation.statistics, time.monotonic()
        if without_figures(reason) != without_figures(self._explained):
            if reason:
                self._node.get_logger().warning(f"{self._name}: {reason}")
            else:
                self._node.get_logger().info(f"{self._name}: poses are coming")
        self._explained = reason
        if now_s - statistics.last_failure_s < SILENCE_S:
            report.raise_to(ERROR, "images fail: the error is in the node's log")
        if reason:
            silent = now_s - statistics.last_image_s > SILENCE_S
            report.raise_to(STALE if silent and situation.enabled else WARN, reason)
        return report.status(f"{statistics.rate_out:.1f} frames a second")
