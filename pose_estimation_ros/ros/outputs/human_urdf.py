"""A person as a robot model: URDF with the links of REP 155 and the person's own sizes."""

from __future__ import annotations

import math
from xml.etree import ElementTree  # nosec B405 - it writes, and reads nothing

from pose_estimation_ros.engine.kinematics import LINKS, BodySize, Link

# Drawn as sticks, and a ball for the head, in metres.
_RADIUS_M = 0.03
_LIMITS = {"lower": f"{-math.pi:.5f}", "upper": f"{math.pi:.5f}", "effort": "0", "velocity": "20"}


def human_urdf(body_id: str, size: BodySize) -> str:
    """The model's XML; every link and joint is called `<name>_<body_id>`."""
    robot = ElementTree.Element("robot", name=f"human_{body_id}")
    _link(robot, f"body_{body_id}")
    for link in LINKS:
        element = _link(robot, f"{link.name}_{body_id}")
        if link.bone:
            length = getattr(size, link.bone)
            middle = tuple(part * length / 2 for part in link.towards)
            _visual(element, middle, "cylinder", length=f"{length:.4f}", radius=f"{_RADIUS_M}")
        if link.name == "torso":
            turned = (math.pi / 2, 0.0, 0.0)
            across = f"{2 * size.shoulder:.4f}"
            _visual(
                element, (0.0, 0.0, 0.0), "cylinder", turned, length=across, radius=f"{_RADIUS_M}"
            )
        if link.name == "head":
            _visual(element, (0.0, 0.0, 0.0), "sphere", radius=f"{1.5 * size.head:.4f}")
        _joint(robot, link, body_id, size)
    return ElementTree.tostring(robot, encoding="unicode")


def _link(robot: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(robot, "link", name=name)


def _joint(robot: ElementTree.Element, link: Link, body_id: str, size: BodySize) -> None:
    kind = "fixed" if link.axis is None else "revolute"
    joint = ElementTree.SubElement(robot, "joint", name=f"{link.joint}_{body_id}", type=kind)
    ElementTree.SubElement(joint, "parent", link=f"{link.parent}_{body_id}")
    ElementTree.SubElement(joint, "child", link=f"{link.name}_{body_id}")
    ElementTree.SubElement(joint, "origin", xyz=_numbers(link.origin(size)), rpy="0 0 0")
    if link.axis is not None:
        ElementTree.SubElement(joint, "axis", xyz=_numbers(link.axis))
        ElementTree.SubElement(joint, "limit", _LIMITS)


def _visual(
    link: ElementTree.Element,
    at: tuple[float, ...],
    shape: str,
    turned: tuple[float, ...] = (0.0, 0.0, 0.0),
    **sizes: str,
) -> None:
    visual = ElementTree.SubElement(link, "visual")
    ElementTree.SubElement(visual, "origin", xyz=_numbers(at), rpy=_numbers(turned))
    ElementTree.SubElement(ElementTree.SubElement(visual, "geometry"), shape, sizes)


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.6g}" for value in values)
