"""What a node's diagnostics say, sorted by the questions that a person at the robot asks.

Everything here is a dict of plain values, as the page reads it from /api/state.
"""

from __future__ import annotations

import math
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

_LEVELS = {
    DiagnosticStatus.OK: "ok",
    DiagnosticStatus.WARN: "warn",
    DiagnosticStatus.ERROR: "error",
    DiagnosticStatus.STALE: "stale",
}
_STAGES = ("queue", "decode", "detect", "pose", "track", "publish", "total")
_KINDS = ("mean", "p50", "p95", "max")
_DISABLED = "disabled:"
PROCESS = "process"


def node_and_part(status: DiagnosticStatus) -> tuple[str, str]:
    """The node's full name, and "process" or the camera's name."""
    node, _, part = status.name.rpartition(": ")
    return f"/{node.lstrip('/')}", part


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _begin(status: DiagnosticStatus) -> tuple[dict[str, Any], dict[str, str]]:
    values = {value.key: value.value for value in status.values}
    level = _LEVELS.get(status.level, "error")  # any program on the domain may send others
    return {"level": level, "message": status.message}, values


def process_readings(status: DiagnosticStatus) -> dict[str, Any]:
    """Memory, CPU, workers, and the models with the reasons why better ones are not active."""
    readings, values = _begin(status)
    for name, key in (
        ("memory_mb", "memory (MB)"),
        ("memory_budget_mb", "memory budget (MB)"),
        ("cpu_percent", "CPU (% of one core)"),
        ("cores", "cores"),
        ("threads", "threads"),
        ("workers", "workers"),
        ("worker_use_percent", "worker use (%)"),
        ("gpu_percent", "GPU (%)"),
        ("gpu_memory_mb", "GPU memory (MB)"),
    ):
        readings[name] = _number(values.get(key, ""))
    readings["gpu"] = values.get("GPU", "")
    readings["host"] = status.hardware_id
    readings["models"] = _models(status, values)
    return readings


def _models(status: DiagnosticStatus, values: dict[str, str]) -> list[dict[str, Any]]:
    end = " active"
    names = [key.removesuffix(end) for key in values if key.endswith(end)]
    return [
        {
            "what": name,
            "active": values[name + end],
            "as_asked": values.get(f"{name} as asked") == "yes",
            "candidate": values.get(f"{name} candidate", ""),
            "failures": _number(values.get(f"{name} failures", "")),
            # One for each candidate that failed, all under one key.
            "reasons": [v.value for v in status.values if v.key == f"{name} failed"],
        }
        for name in names
    ]


def camera_readings(status: DiagnosticStatus) -> dict[str, Any]:
    """Rates, drops by reason, and the time of every stage."""
    readings, values = _begin(status)
    readings["enabled"] = not status.message.startswith(_DISABLED)
    readings["topic"] = values.get("topic", "")
    readings["frame"] = status.hardware_id
    readings["positions"] = values.get("positions", "")
    for name, key in (
        ("received", "received"),
        ("answered", "answered"),
        ("rate_in", "frames a second in"),
        ("rate_out", "frames a second out"),
        ("rate_wanted", "frames a second wanted"),
        ("waiting", "queue depth"),
        ("arrived_percent", "images arrived of those announced (%)"),
        ("cache_hits_percent", "cache hits (%)"),
        ("new_tracks_a_minute", "new tracks a minute"),
        ("track_switches_a_minute", "track switches a minute"),
    ):
        readings[name] = _number(values.get(key, ""))
    start = "dropped: "
    readings["drops"] = [
        {"reason": value.key.removeprefix(start), "count": int(_number(value.value) or 0)}
        for value in status.values
        if value.key.startswith(start)
    ]
    readings["stages"] = [
        {
            "name": stage,
            **{f"{kind}_ms": _number(values.get(f"{stage} {kind} (ms)", "")) for kind in _KINDS},
        }
        for stage in _STAGES
        if f"{stage} mean (ms)" in values
    ]
    return readings
