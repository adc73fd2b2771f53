"""Bodies built from known joint angles, by the textbook: Rodrigues' formula along the links."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.kinematics import LINKS, BodySize

# COCO's joints that are a link's origin.
COCO_POINTS = {
    f"{side}_{name}": f"{side[0]}_{link}"
    for side in ("left", "right")
    for name, link in {
        "shoulder": "y_shoulder",
        "elbow": "elbow",
        "wrist": "wrist",
        "hip": "y_hip",
        "knee": "knee",
        "ankle": "ankle",
    }.items()
}
# Those on the head, in its frame, metres.
_ON_HEAD = {
    "left_ear": (0.0, 0.07, 0.0),
    "right_ear": (0.0, -0.07, 0.0),
    "left_eye": (0.09, 0.03, 0.0),
    "right_eye": (0.09, -0.03, 0.0),
    "nose": (0.11, 0.0, -0.04),
}


def about(axis: AnyArray, angle: float) -> AnyArray:
    """Rodrigues' rotation (3, 3)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], float)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def frames_of(
    size: BodySize, angles: Mapping[str, float], origin: AnyArray, rotation: AnyArray
) -> dict[str, AnyArray]:
    """The place (4, 4) of every link."""
    body = np.eye(4)
    body[:3, :3], body[:3, 3] = rotation, origin
    frames = {"body": body}
    for link in LINKS:
        step = np.eye(4)
        step[:3, 3] = link.origin(size)
        if link.axis is not None:
            step[:3, :3] = about(np.array(link.axis), angles.get(link.joint, 0.0))
        frames[link.name] = frames[link.parent] @ step
    return frames


def joints_of(
    size: BodySize, angles: Mapping[str, float], origin: AnyArray, rotation: AnyArray
) -> dict[str, AnyArray]:
    """COCO's joints (3,) of such a body."""
    frames = frames_of(size, angles, origin, rotation)
    joints = {name: frames[link][:3, 3] for name, link in COCO_POINTS.items()}
    head = frames["head"]
    return joints | {
        name: head[:3, :3] @ np.array(place) + head[:3, 3] for name, place in _ON_HEAD.items()
    }


def random_rotation(rng: np.random.Generator) -> AnyArray:
    """Any rotation (3, 3)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def frames_of_urdf(urdf: str, angles: Mapping[str, float]) -> dict[str, AnyArray]:
    """The places (4, 4) of a URDF's links in its root's frame, joints by their full names."""
    robot = ElementTree.fromstring(urdf)
    joints = {_named(joint, "child"): joint for joint in robot.iter("joint")}
    frames: dict[str, AnyArray] = {}

    def place(link: str) -> AnyArray:
        if link not in frames:
            frames[link] = np.eye(4)
            if link in joints:
                frames[link] = place(_named(joints[link], "parent")) @ _step(joints[link], angles)
        return frames[link]

    for link in robot.iter("link"):
        place(link.attrib["name"])
    return frames


def _named(joint: ElementTree.Element, end: str) -> str:
    return child(joint, end).attrib["link"]


def _step(joint: ElementTree.Element, angles: Mapping[str, float]) -> AnyArray:
    step = np.eye(4)
    step[:3, 3] = [float(part) for part in child(joint, "origin").attrib["xyz"].split()]
    if joint.attrib["type"] == "revolute":
        axis = np.array([float(part) for part in child(joint, "axis").attrib["xyz"].split()])
        step[:3, :3] = about(axis, angles[joint.attrib["name"]])
    return step


def child(element: ElementTree.Element, tag: str) -> ElementTree.Element:
    """An element's only child of a tag."""
    (found,) = element.iter(tag)
    return found
