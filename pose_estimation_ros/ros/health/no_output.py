"""No output: why a camera gives no poses, in one line with the reason and what to do."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, qos_check_compatible

from pose_estimation_ros.engine.execution.fallback_chain import ChainStatus
from pose_estimation_ros.ros.health.camera_statistics import CameraStatistics

NO_OUTPUT_S = 4.0  # so that the answer is there within five seconds, at one look a second
_FUTURE_MS = -100.0
_OLD_MS = 60_000.0


@dataclass(frozen=True, slots=True)
class ImageSubscription:
    """An image subscription: resolved topic, type as `package/msg/Type`, QoS, name to remap."""

    topic: str
    type_name: str
    qos: QoSProfile
    name: str = "image"


def diagnose_publishers(subscription: ImageSubscription, publishers: Sequence[Any]) -> str:
    """Why images cannot come from these publishers (rclpy's TopicEndpointInfo).

    Empty where they could, so that the publishers themselves must be silent.
    """
    topic = subscription.topic
    if not publishers:
        remap = f"remap with {subscription.name}:=<its topic>"
        return f"no publisher on {topic}: start the camera, or {remap}"
    reasons = []
    for publisher in publishers:
        who = f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"
        if publisher.topic_type != subscription.type_name:
            hint = (
                "set compressed: true"
                if publisher.topic_type.endswith("/CompressedImage")
                else f"remap {subscription.name} to an image topic"
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


def _latched_advice(subscription: ImageSubscription, publishers: Sequence[Any]) -> str:
    """Advice for a latched publisher (transient_local) that a volatile subscription misses."""
    latched = DurabilityPolicy.TRANSIENT_LOCAL
    keeps = any(publisher.qos_profile.durability == latched for publisher in publishers)
    if not keeps or subscription.qos.durability == latched:
        return ""
    topic = subscription.topic
    return (
        f"no image on {topic}, whose publisher keeps its last image for those who ask for it "
        f"(transient_local): set qos_overrides.{topic}.subscription.durability to "
        "transient_local, and reliability to reliable"
    )


def _policies(qos: QoSProfile) -> str:
    return f"{qos.reliability.name}/{qos.durability.name}".lower()


@dataclass(frozen=True, slots=True)
class CameraSituation:
    """What is known of a camera that gives no poses, or few.

    `arrived_share` is the share of its images that arrive where that is little, else NaN;
    `models` are the statuses of the fallback chains by name; `unprofiled` names the processes that
    lack Fast DDS's profile for large images (it looks at other processes, so it is called only
    where that matters). `elsewhere` is where the same images come in the other transport, raw or
    compressed; empty where they do not. `sim_time` says that the time is to come from /clock, and
    `clock_runs` that it does.
    """

    statistics: CameraStatistics
    subscription: ImageSubscription
    publishers: Sequence[Any]
    enabled: bool = True
    target_fps: float = 0.0
    arrived_share: float = math.nan
    models: Mapping[str, ChainStatus] = field(default_factory=dict)
    unprofiled: Callable[[], list[str]] = list
    elsewhere: str = ""
    sim_time: bool = False
    clock_runs: bool = True


def diagnose(situation: CameraSituation) -> str:
    """Why there are no poses, or poses of little use; empty where all is well."""
    statistics, now_s = situation.statistics, time.monotonic()
    without_image_s = now_s - statistics.last_image_s
    if not situation.enabled:
        return "disabled: call the service ~/set_enabled with data: true"
    if without_image_s > NO_OUTPUT_S:
        topic = situation.subscription.topic
        subscription, publishers = situation.subscription, situation.publishers
        if not publishers and situation.elsewhere:
            compressed = "true" if situation.elsewhere.endswith("/compressed") else "false"
            return (
                f"no publisher on {topic}, but one on {situation.elsewhere}: set compressed: "
                f"{compressed}"
            )
        return (
            diagnose_publishers(subscription, publishers)
            or _latched_advice(subscription, publishers)
            or f"no image on {topic} for {without_image_s:.0f} s, though a publisher is there: "
            f"its camera is silent, or its images get lost on the way{_profile_advice(situation)}"
        )
    if now_s - statistics.last_answer_s > NO_OUTPUT_S:
        if now_s - statistics.last_failure_s < NO_OUTPUT_S:
            return (
                f"every image fails{_exhausted_chains(situation)}: the error is in the node's log"
            )
        if situation.target_fps > 0:
            return (
                f"images come, but the budget of target_fps {situation.target_fps:g} drops them: "
                "raise it"
            )
        return "images come, but the first is still being worked on: the models are too slow here"
    return _diagnose_answers(situation, now_s)


def _diagnose_answers(situation: CameraSituation, now_s: float) -> str:
    """What is wrong although images are processed."""
    statistics = situation.statistics
    age_ms = statistics.stamp_age_ms
    if not math.isnan(situation.arrived_share):
        return (
            f"only {100 * situation.arrived_share:.0f} % of the images that camera_info announces "
            f"arrive on {situation.subscription.topic}{_profile_advice(situation)}"
        )
    if not situation.clock_runs:
        return (
            "use_sim_time is set and nothing comes on /clock: start the simulation, or the bag "
            "with --clock, or set use_sim_time to false"
        )
    advice = "let the driver take its time from /clock, too, as use_sim_time is set"
    if not situation.sim_time:
        advice = "synchronise the clocks, or set use_sim_time where a bag is played"
    if math.isnan(age_ms):
        return "the images' stamps are zero, ages are unknown: let the driver set header.stamp"
    if age_ms < _FUTURE_MS:
        return f"the images' stamps are {-age_ms / 1e3:.1f} s in the future: {advice}"
    if age_ms > _OLD_MS:
        return f"the images' stamps are {age_ms / 1e3:.0f} s old: {advice}"
    if now_s - statistics.last_person_s > NO_OUTPUT_S:
        return (
            f"images come, but nobody is seen{_exhausted_chains(situation)}: lower "
            "confidence_threshold if somebody is there"
        )
    return ""


def _exhausted_chains(situation: CameraSituation) -> str:
    """Which fallback chains have nothing left to fall back to, and why."""
    parts = [
        f"the {what} is down to its last candidate, {status.active} ({'; '.join(status.reasons)})"
        for what, status in situation.models.items()
        if status.index == status.last and status.reasons
    ]
    return f", and {', '.join(parts)}" if parts else ""


def _profile_advice(situation: CameraSituation) -> str:
    advice = " (large ones need the Fast DDS profile at both ends"
    missing = situation.unprofiled()
    return advice + (f"; it is missing at {', '.join(missing)})" if missing else ")")
