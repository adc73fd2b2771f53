"""Publishes a node's diagnostics once a second, and says what an inactive node waits for."""

from __future__ import annotations

from collections.abc import Callable

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

_PERIOD_S = 1.0
_WAYS = {"unconfigured": ("configure", "activate"), "inactive": ("activate",)}


class DiagnosticsPublisher:
    """Publishes what `statuses` gives on /diagnostics."""

    def __init__(self, node: Node, statuses: Callable[[], list[DiagnosticStatus]]) -> None:
        self._node, self._statuses = node, statuses
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # A steady clock: with simulated time paused, diagnostics still tell what is going on.
        node.create_timer(
            _PERIOD_S,
            self._publish,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def _publish(self) -> None:
        if not rclpy.ok(context=self._node.context):
            return
        message = DiagnosticArray(status=self._statuses())
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


def inactive_advice(node: str, state: str) -> str:
    """What a node, given by its full name, waits for in this state of its lifecycle."""
    commands = [f"ros2 lifecycle set {node} {way}" for way in _WAYS.get(state, ())]
    return f"{state}: {' and '.join(commands)}" if commands else state
