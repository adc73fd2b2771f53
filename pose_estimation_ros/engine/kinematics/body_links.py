"""The kinematic model of the human that REP 155 recommends: its links, joints and their names.

Every link's frame has x forward, y to the left and z up while the person stands upright with
hanging arms. `body` is amid the hips, `torso` amid the shoulders. The order and the axes of the
joints are those of ROS4HRI's human_description, so that joint states of either fit the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class BodySize:
    """Lengths of the parts of a body in metres; `hip` and `shoulder` are from the middle."""

    torso: float
    shoulder: float
    hip: float
    upper_arm: float
    forearm: float
    thigh: float
    shank: float
    neck: float
    head: float


@dataclass(frozen=True, slots=True)
class Link:
    """A link, the joint that carries it, and where that is in the parent's frame.

    `axis` is what the joint turns about; None where it is fixed. `bone` names the length of
    BodySize that reaches from the link's origin to the next one, `towards` in which direction.
    """

    name: str
    parent: str
    joint: str
    axis: Vector | None
    origin: Callable[[BodySize], Vector]
    bone: str = ""
    towards: Vector = (0.0, 0.0, -1.0)


ROOT = "body"


def _at_parent(_: BodySize) -> Vector:
    return (0.0, 0.0, 0.0)


def _limbs(side: str, sign: float) -> list[Link]:
    """An arm and a leg; `sign` is 1 for the left side."""
    turn, swing = (0.0, 0.0, -sign), (sign, 0.0, 0.0)
    bend = (0.0, -1.0, 0.0)
    return [
        Link(
            f"{side}_y_shoulder",
            "torso",
            f"{side}_y_shoulder",
            turn,
            lambda size: (0.0, sign * size.shoulder, 0.0),
        ),
        Link(f"{side}_p_shoulder", f"{side}_y_shoulder", f"{side}_p_shoulder", swing, _at_parent),
        Link(
            f"{side}_shoulder",
            f"{side}_p_shoulder",
            f"{side}_r_shoulder",
            (0.0, 0.0, sign),
            _at_parent,
            "upper_arm",
        ),
        Link(
            f"{side}_elbow",
            f"{side}_shoulder",
            f"{side}_elbow",
            bend,
            lambda size: (0.0, 0.0, -size.upper_arm),
            "forearm",
        ),
        Link(
            f"{side}_wrist",
            f"{side}_elbow",
            f"{side}_wrist",
            None,
            lambda size: (0.0, 0.0, -size.forearm),
        ),
        Link(
            f"{side}_y_hip",
            ROOT,
            f"{side}_y_hip",
            (0.0, 0.0, -1.0),
            lambda size: (0.0, sign * size.hip, 0.0),
        ),
        Link(f"{side}_p_hip", f"{side}_y_hip", f"{side}_p_hip", swing, _at_parent),
        Link(f"{side}_hip", f"{side}_p_hip", f"{side}_r_hip", bend, _at_parent, "thigh"),
        Link(
            f"{side}_knee",
            f"{side}_hip",
            f"{side}_knee",
            bend,
            lambda size: (0.0, 0.0, -size.thigh),
            "shank",
        ),
        Link(
            f"{side}_ankle",
            f"{side}_knee",
            f"{side}_ankle",
            None,
            lambda size: (0.0, 0.0, -size.shank),
        ),
    ]


# Below `body`, parents before children.
LINKS = (
    Link("waist", ROOT, "waist", (0.0, 1.0, 0.0), _at_parent, "torso", (0.0, 0.0, 1.0)),
    Link("torso", "waist", "torso", None, lambda size: (0.0, 0.0, size.torso)),
    Link("r_head", "torso", "r_head", (1.0, 0.0, 0.0), lambda size: (0.0, 0.0, size.neck)),
    Link("y_head", "r_head", "y_head", (0.0, 0.0, 1.0), _at_parent),
    Link("p_head", "y_head", "p_head", (0.0, -1.0, 0.0), _at_parent),
    Link("head", "p_head", "head", None, lambda size: (0.0, 0.0, size.head)),
    *_limbs("l", 1.0),
    *_limbs("r", -1.0),
)
