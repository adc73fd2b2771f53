"""The table of topics and services in docs/node.md is what a running node has."""

from __future__ import annotations

import importlib.util
import re

from paths import ROOT
from processes import Rig
from rclpy.node import NodeNameNonExistentError

PAGE = ROOT / "docs" / "node.md"
# What every managed rclpy node has.
_STANDARD = re.compile(r"parameter|/rosout|/clock|transition_event|logger_levels|type_description")
_LIFECYCLE = re.compile(r"/(change_state|get_state|get_available_\w+|get_transition_graph)$")
_OLD_NAMES = {"set_enabled", "reset_tracking"}  # of the services, kept for one release
# Topics whose messages are in packages of their own, which may be absent.
_ON_REQUEST = {
    "publish_tf": "/tf",
    "publish_detections": "detections",
    "publish_detections_3d": "detections_3d",
    "publish_humans": "/humans/bodies/tracked",
    "publish_annotations": "annotations",
}


def _documented() -> dict[str, set[tuple[str, str]]]:
    rows = re.findall(r"^\| (in|out|service) \| `(\S+)` \| (\S+) ", PAGE.read_text(), re.M)
    assert len(rows) >= 10
    return {
        way: {
            (name, kind.replace("/", "/srv/" if way == "service" else "/msg/"))
            for which, name, kind in rows
            if which == way
        }
        for way in ("in", "out", "service")
    }


def _found(rig: Rig) -> dict[str, set[tuple[str, str]]]:
    node, place = rig.client.node, ("pose_estimation", rig.namespace)
    try:
        found = {
            "in": node.get_subscriber_names_and_types_by_node(*place),
            "out": node.get_publisher_names_and_types_by_node(*place),
            "service": node.get_service_names_and_types_by_node(*place),
        }
    except NodeNameNonExistentError:  # not discovered yet
        return {"in": set(), "out": set(), "service": set()}
    own = f"{rig.namespace}/pose_estimation/"
    return {
        way: {
            (name.replace(own, "~/").removeprefix(f"{rig.namespace}/"), kinds[0])
            for name, kinds in rows
            if not _STANDARD.search(name)
            and not _LIFECYCLE.search(name)
            and name.removeprefix(f"{rig.namespace}/") not in _OLD_NAMES
        }
        for way, rows in found.items()
    }


def test_the_readme_lists_the_topics_and_services_of_the_node(rig: Rig) -> None:
    documented = _documented()
    compressed = {row for row in documented["in"] if row[0] == "image/compressed"}
    asked = {"use_depth": True}
    for parameter, topic in _ON_REQUEST.items():
        row = next(row for row in documented["out"] if row[0] == topic)
        asked[parameter] = bool(importlib.util.find_spec(row[1].split("/")[0]))
        if not asked[parameter]:
            documented["out"].remove(row)
    node = rig.start_node(**asked)
    expected = {**documented, "in": documented["in"] - compressed}
    rig.client.spin_until(lambda: _found(rig) == expected or not node.running, 15)
    assert node.interrupt() == 0
    rig.start_node(wait=False, compressed=True)
    rig.client.spin_until(lambda: _found(rig)["in"] >= compressed)
    assert ("image", "sensor_msgs/msg/Image") not in _found(rig)["in"]
