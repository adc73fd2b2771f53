"""Quality of service of a camera's topics."""

from __future__ import annotations

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

# Durability, too: a publisher that keeps its last image gives it only to who asks for it.
_OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)


def overridable() -> QoSOverridingOptions:
    """Declares the qos_overrides parameters of a topic and writes their values into its profile.

    So each publisher and subscription needs a profile of its own.
    """
    return QoSOverridingOptions(policy_kinds=_OVERRIDABLE)


def outgoing() -> QoSProfile:
    """Of what the node publishes: reliable, the last five."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE
    )


def newest_only() -> QoSProfile:
    """The newest message only, from reliable and best-effort publishers alike."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
    )


def every_one() -> QoSProfile:
    """Every message, in order: the publisher waits rather than lose one."""
    return QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE)


def every_one_that_arrives() -> QoSProfile:
    """As `every_one`, from a publisher that does not wait for anybody."""
    return QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.BEST_EFFORT)


def latched() -> QoSProfile:
    """The last message of a publisher that keeps it, however long ago it came."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
