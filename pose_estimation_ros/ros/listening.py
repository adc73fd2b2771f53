"""What the nodes that run at present say of themselves, heard from outside."""

from __future__ import annotations

import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor

from pose_estimation_ros.ros.diagnostics import HARDWARE_ID

_TOPIC = "/diagnostics"
_QUIET_S = 4.0  # a domain with no publisher of diagnostics: time enough to discover one
_PATIENCE_S = 12.0  # a publisher is there: it speaks once a second, later on a busy machine
_SETTLE_S = 1.5  # from the first word: the other nodes' turn comes within a second


def heard_statuses() -> dict[str, DiagnosticStatus]:
    """The latest status by name of every node of this package; takes 2 to 12 s.

    Waits the longer where a publisher has been discovered and none of ours has spoken yet, as
    discovery and the first message take their time on a loaded machine.
    """
    statuses: dict[str, DiagnosticStatus] = {}
    first_word: float | None = None

    def collect(message: DiagnosticArray) -> None:
        nonlocal first_word
        ours = {s.name: s for s in message.status if s.hardware_id == HARDWARE_ID}
        statuses.update(ours)
        if ours and first_word is None:
            first_word = time.monotonic()

    context = rclpy.Context()
    context.init()
    node = rclpy.create_node("pose_estimation_doctor", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    node.create_subscription(DiagnosticArray, _TOPIC, collect, 10)
    began = time.monotonic()
    try:
        while True:
            executor.spin_once(timeout_sec=0.1)
            if first_word is not None:
                ends = first_word + _SETTLE_S
            else:
                ends = began + (_PATIENCE_S if node.count_publishers(_TOPIC) else _QUIET_S)
            if time.monotonic() >= ends:
                return statuses
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
