"""A camera's diagnostic status, and the log lines that go with it."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from pose_estimation_ros.ros.health.no_output import NO_OUTPUT_S, CameraSituation, diagnose
from pose_estimation_ros.ros.health.status_report import ERROR, STALE, WARN, StatusReport
from pose_estimation_ros.ros.log_lines import without_figures


class CameraStatusReporter:
    """Builds the status, and logs each new reason for missing poses once, and its end."""

    def __init__(self, node: Node, camera: str) -> None:
        self._node, self._name = node, camera or "camera"
        self._reason = ""

    def start(self) -> None:
        """Forgets which reasons were logged."""
        self._reason = ""

    def begin(self, topic: str, frame_id: str) -> StatusReport:
        """Starts a report for a camera's topic and the frame of its images."""
        report = StatusReport(self._node.get_fully_qualified_name(), self._name, frame_id)
        report.add("topic", topic)
        return report

    def end(self, report: StatusReport, situation: CameraSituation) -> DiagnosticStatus:
        """Finishes the report, with the reason if poses are missing."""
        reason, statistics, now_s = diagnose(situation), situation.statistics, time.monotonic()
        if without_figures(reason) != without_figures(self._reason):
            if reason:
                self._node.get_logger().warning(f"{self._name}: {reason}")
            else:
                self._node.get_logger().info(f"{self._name}: poses are coming")
        self._reason = reason
        if now_s - statistics.last_failure_s < NO_OUTPUT_S:
            report.raise_to(ERROR, "images fail: the error is in the node's log")
        if reason:
            silent = now_s - statistics.last_image_s > NO_OUTPUT_S
            report.raise_to(STALE if silent and situation.enabled else WARN, reason)
        return report.status(f"{statistics.rate_out:.1f} frames a second")
