"""The page's first line: how the node is, in a few words, and what to do.

Its levels are those of diagnostics, and "paused" where the node is not to answer, and "away".
"""

from __future__ import annotations

import os
from typing import Any

_STATES = {"unconfigured": "Not configured yet", "inactive": "Not active"}
_TITLES = {"error": "Images fail", "stale": "No images", "warn": "Take a look"}


def no_node(wanted: str, others: list[str]) -> dict[str, str]:
    """No node of those looked for was ever heard."""
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    where = f" in {wanted}" if wanted else ""
    text = f"Nothing is heard{where} on domain {domain}. Start the node; this page will find it."
    if others:
        text += f" There is {', '.join(others)}: restart the page with --ros for another one."
    return {"level": "away", "title": "No node", "text": text}


def gone(node: str, silent_s: float) -> dict[str, str]:
    """The node was heard, and is not any more."""
    text = (
        f"{node} has said nothing for {silent_s:.0f} s: it has ended or hangs, or the network is "
        "down. This page goes on by itself when it is back."
    )
    return {"level": "away", "title": "The node is away", "text": text}


def of_node(
    lifecycle: str, process: dict[str, Any], cameras: list[dict[str, Any]]
) -> dict[str, str]:
    """Of a node that speaks: its state, else what is worst about it, with the node's own words."""
    said = process.get("message", "") if process.get("level") not in (None, "ok") else ""
    if lifecycle in _STATES:
        level = "error" if process.get("level") == "error" else "paused"
        return {"level": level, "title": _STATES[lifecycle], "text": said}
    if cameras and not any(camera["enabled"] for camera in cameras):
        text = "The node looks at no image. Press Enable to go on."
        return {"level": "paused", "title": "Disabled", "text": text}
    several = len(cameras) > 1
    lines = [
        f"{camera['name']}: {camera['message']}" if several else camera["message"]
        for camera in cameras
        if camera["level"] != "ok"
    ]
    levels = [camera["level"] for camera in cameras]
    worst = next((level for level in _TITLES if level in levels), "")
    if worst:
        text = "; ".join([*lines, said] if said else lines)
        return {"level": worst, "title": _TITLES[worst], "text": text}
    if said:
        return {"level": process["level"], "title": _TITLES["warn"], "text": said}
    if not cameras:
        return {"level": "paused", "title": "Starting", "text": "No camera has reported yet."}
    if not any(camera["rate_out"] for camera in cameras):
        topics = ", ".join(camera["topic"] for camera in cameras)
        return {"level": "paused", "title": "Waiting for images", "text": f"On {topics}."}
    return {"level": "ok", "title": "Poses are coming", "text": "Nothing to do."}
