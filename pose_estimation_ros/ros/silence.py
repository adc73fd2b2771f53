"""Why nothing comes out of a camera: one line with the reason and what to do."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from pose_estimation_ros.ros.statistics import CameraStatistics

SILENCE_S = 4.0  # so that the answer is there within five seconds, at one look a second
_FUTURE_MS = -100.0
_OLD_MS = 60_000.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a camera listens to: topic with namespace, type as `package/msg/Type`, QoS."""

    topic: str
    type_name: str
    qos: QoSProfile


def explain_publishers(subscription: Subscription, publishers: Sequence[Any]) -> str:
    """Why images cannot come from these publishers (rclpy's TopicEndpointInfo).

    Empty where they could, so that the publishers themselves must be silent.
    """
    topic = subscription.topic
    if not publishers:
        return f"no publisher on {topic}: start the camera, or remap with image:=<its topic>"
    reasons = []
    for publisher in publishers:
        who = f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"
        if publisher.topic_type != subscription.type_name:
            hint = (
                "set compressed: true"
                if publisher.topic_type.endswith("/CompressedImage")
                else "remap image to an image topic"
            )
            reasons.append(
                f"{who} publishes {publisher.topic_type} on {topic}, expected "
                f"{subscription.type_name}: {hint}"
            )
            continue
        fits, _ = qos_check_compatible(publisher.qos_profile, subscription.qos)
        if fits == QoSCompatibility.ERROR:
            reasons.append(
                f"the QoS of {who} on {topic} is incompatible: it offers "
                f"{_policies(publisher.qos_profile)}, this node asks for "
                f"{_policies(subscription.qos)}: change one with qos_overrides"
            )
            continue
        return ""
    return "; ".join(reasons)


def _policies(qos: QoSProfile) -> str:
    return f"{qos.reliability.name}/{qos.durability.name}".lower()


def explain(
    statistics: CameraStatistics,
    subscription: Subscription,
    publishers: Sequence[Any],
    enabled: bool,
    target_fps: float,
) -> str:
    """The reason for silence, or for answers that are of little use; empty where all is well."""
    now_s = time.monotonic()
    silent_s = now_s - statistics.last_image_s
    if not enabled:
        return "disabled: call the service set_enabled with data: true"
    if silent_s > SILENCE_S:
        reason = explain_publishers(subscription, publishers)
        return reason or (
            f"no image on {subscription.topic} for {silent_s:.0f} s, though a publisher is there: "
            "its camera is silent, or its images get lost on the way (large ones need the Fast "
            "DDS profile at both ends)"
        )
    if now_s - statistics.last_answer_s > SILENCE_S:
        if now_s - statistics.last_failure_s < SILENCE_S:
            return "every image fails: the error is in the node's log"
        if target_fps > 0:
            return f"images come, but target_fps {target_fps:g} keeps them from being answered"
        return "images come, but the first is still being worked on: the models are too slow here"
    age_ms = statistics.stamp_age_ms
    if math.isnan(age_ms):
        return "the images' stamps are zero, ages are unknown: let the driver set header.stamp"
    if age_ms < _FUTURE_MS:
        return (
            f"the images' stamps are {-age_ms / 1e3:.1f} s in the future: synchronise the clocks, "
            "or set use_sim_time where a bag is played"
        )
    if age_ms > _OLD_MS:
        return (
            f"the images' stamps are {age_ms / 1e3:.0f} s old: synchronise the clocks, or set "
            "use_sim_time where a bag is played"
        )
    if now_s - statistics.last_person_s > SILENCE_S:
        return "images come, but nobody is seen: lower confidence_threshold if somebody is there"
    return ""
