"""Collects the diagnostics of the nodes that are running, for the doctor."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from pose_estimation_ros.ros.dds.profile import own_gid, without_profile
from pose_estimation_ros.ros.health.status_report import is_ours
from pose_estimation_ros.ros.log_folder import provide_log_folder

_TOPIC = "/diagnostics"
_DISCOVERY_S = 4.0  # enough to discover a publisher, if there is one
_LONGEST_WAIT_S = 12.0  # where there is a publisher, which may be late on a busy machine
_SETTLE_S = 1.5  # after the first message: every node publishes once a second


@dataclass(slots=True)
class NodeDiagnostics:
    """The latest status by name of every node of this package.

    `unprofiled` are the ends, on this machine, of the nodes' image topics that run without a Fast
    DDS profile.
    """

    statuses: dict[str, DiagnosticStatus] = field(default_factory=dict)
    unprofiled: list[str] = field(default_factory=list)


def listen() -> NodeDiagnostics:
    """Listens to /diagnostics for 2 to 12 s.

    Waits the longer where a publisher has been discovered and none of ours has spoken yet, as
    discovery and the first message take their time on a loaded machine.
    """
    collected = NodeDiagnostics()
    first_message_s: float | None = None

    def collect(message: DiagnosticArray) -> None:
        nonlocal first_message_s
        ours = {s.name: s for s in message.status if is_ours(s)}
        collected.statuses.update(ours)
        if ours and first_message_s is None:
            first_message_s = time.monotonic()

    context = rclpy.Context()
    context.init(args=provide_log_folder())
    node = rclpy.create_node("pose_estimation_doctor", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    node.create_subscription(DiagnosticArray, _TOPIC, collect, 10)
    began = time.monotonic()
    try:
        while True:
            executor.spin_once(timeout_sec=0.1)
            if first_message_s is not None:
                ends = first_message_s + _SETTLE_S
            else:
                ends = began + (_LONGEST_WAIT_S if node.count_publishers(_TOPIC) else _DISCOVERY_S)
            if time.monotonic() >= ends:
                collected.unprofiled = _unprofiled(node, collected.statuses)
                return collected
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def _unprofiled(node: Node, statuses: dict[str, DiagnosticStatus]) -> list[str]:
    if "fastrtps" not in rclpy.get_rmw_implementation_identifier():
        return []
    values = [value for status in statuses.values() for value in status.values]
    topics = {value.value for value in values if value.key == "topic"}
    ends = [
        end
        for topic in topics
        if topic.startswith("/")
        for end in (
            *node.get_publishers_info_by_topic(topic),
            *node.get_subscriptions_info_by_topic(topic),
        )
    ]
    return without_profile(ends, own_gid(node))
