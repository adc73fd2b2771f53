"""Where a body is and how its joints are bent, from the positions of its joints.

Each limb has three joints at its root and one at its middle, which two directions determine: that
of the upper and that of the lower half. So angles follow in closed form, without iterations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.kinematics.body_links import Vector

# Below this sine two directions count as one, and what is across them as unknown.
_STRAIGHT = 0.02


@dataclass(frozen=True, slots=True)
class BodyPosture:
    """A body's place and the angles of its joints.

    Attributes:
        origin: (3,) metres, amid the hips.
        rotation: (3, 3), the body's axes as columns: x forward, y left, z towards the head.
        angles: radians by the joint's name; joints whose angle is unknown are left out.
    """

    origin: AnyArray
    rotation: AnyArray
    angles: dict[str, float]


def body_posture(joints: Mapping[str, AnyArray]) -> BodyPosture | None:
    """The posture of a person, or None without both shoulders and both hips.

    The spine is one straight piece here: hips and shoulders tell nothing of its bend, so `waist`
    is 0.

    Args:
        joints: (3,) in metres by their COCO names; unknown ones are left out.
    """
    needed = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    if any(name not in joints for name in needed):
        return None
    left_shoulder, right_shoulder, left_hip, right_hip = (
        np.asarray(joints[name], float) for name in needed
    )
    origin = (left_hip + right_hip) / 2
    up = _unit((left_shoulder + right_shoulder) / 2 - origin)
    across = [_unit(left_shoulder - right_shoulder), _unit(left_hip - right_hip)]
    if up is None or across[0] is None or across[1] is None:
        return None
    left = _across(up, across[0] + across[1])
    if left is None:
        return None
    rotation = np.stack([np.cross(left, up), left, up], axis=1)
    inside = {name: rotation.T @ np.asarray(place, float) for name, place in joints.items()}
    angles = {"waist": 0.0, **_head(inside)}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        angles |= _arm(inside, side, sign)
        angles |= _leg(inside, side, sign)
    return BodyPosture(origin, rotation, angles)


def turned_about(axis: Vector, angle: float) -> AnyArray:
    """The rotation (3, 3) about one of the axes, or its opposite, by an angle in radians."""
    sign = sum(axis)
    first, second = ((1, 2), (2, 0), (0, 1))[[abs(part) for part in axis].index(1.0)]
    rotation = np.eye(3)
    cosine, sine = math.cos(angle), math.sin(angle) * sign
    rotation[first, first] = rotation[second, second] = cosine
    rotation[second, first], rotation[first, second] = sine, -sine
    return rotation


def _arm(joints: Mapping[str, AnyArray], side: str, sign: float) -> dict[str, float]:
    upper, lower = _halves(joints, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
    if upper is None:
        return {}
    # The forearm bends forward: its part across the upper arm is where x points.
    frame = _limb_frame(upper, lower, 1.0)
    # R = Rz(a) Rx(b) Rz(c); b has the sign for which the arm swings outwards by a positive angle.
    swing = sign * math.acos(_clipped(frame[2, 2]))
    if abs(math.sin(swing)) < _STRAIGHT:  # hanging, or straight up: a and c turn about one axis
        turn = 0.0
        twist = math.atan2(math.copysign(1.0, frame[2, 2]) * frame[1, 0], frame[0, 0])
    else:
        bow = math.copysign(1.0, math.sin(swing))
        turn = math.atan2(bow * frame[0, 2], -bow * frame[1, 2])
        twist = math.atan2(bow * frame[2, 0], bow * frame[2, 1])
    name = side[0]
    angles = {
        f"{name}_y_shoulder": -sign * turn,
        f"{name}_p_shoulder": sign * swing,
        f"{name}_r_shoulder": sign * twist,
    }
    if lower is not None:
        angles[f"{name}_elbow"] = math.acos(_clipped(float(upper @ lower)))
    return angles


def _leg(joints: Mapping[str, AnyArray], side: str, sign: float) -> dict[str, float]:
    upper, lower = _halves(joints, f"{side}_hip", f"{side}_knee", f"{side}_ankle")
    if upper is None:
        return {}
    # The shank bends backward, and so x is opposite to its part across the thigh.
    frame = _limb_frame(upper, lower, -1.0)
    # R = Rz(a) Rx(b) Ry(c)
    swing = math.asin(_clipped(frame[2, 1]))
    turn = math.atan2(-frame[0, 1], frame[1, 1])
    bend = math.atan2(-frame[2, 0], frame[2, 2])
    name = side[0]
    angles = {
        f"{name}_y_hip": -turn,
        f"{name}_p_hip": sign * swing,
        f"{name}_r_hip": -bend,
    }
    if lower is not None:
        angles[f"{name}_knee"] = -math.acos(_clipped(float(upper @ lower)))
    return angles


def _head(joints: Mapping[str, AnyArray]) -> dict[str, float]:
    """Forward is from between the ears to between the eyes, which lie as high."""
    if any(
        f"{side}_{part}" not in joints for side in ("left", "right") for part in ("ear", "eye")
    ):
        return {}
    left = _unit(joints["left_ear"] - joints["right_ear"])
    eyes = (joints["left_eye"] + joints["right_eye"]) / 2
    forward = eyes - (joints["left_ear"] + joints["right_ear"]) / 2
    ahead = None if left is None else _across(left, forward)
    if left is None or ahead is None:
        return {}
    # R = Rx(a) Rz(b) Ry(c), of which x and y are known.
    up = np.cross(ahead, left)
    roll = math.atan2(left[2], left[1])
    yaw = math.asin(_clipped(-left[0]))
    pitch = math.atan2(up[0], ahead[0])
    return {"r_head": roll, "y_head": yaw, "p_head": -pitch}


def _halves(
    joints: Mapping[str, AnyArray], root: str, middle: str, end: str
) -> tuple[AnyArray | None, AnyArray | None]:
    """The directions (3,) of a limb's upper and lower half; None where unknown."""
    if root not in joints or middle not in joints:
        return None, None
    upper = _unit(joints[middle] - joints[root])
    return upper, _unit(joints[end] - joints[middle]) if end in joints else None


def _limb_frame(upper: AnyArray, lower: AnyArray | None, bends_to: float) -> AnyArray:
    """A limb's axes (3, 3): z against its upper half, x towards (1) or from (-1) its lower one.

    Where the limb is straight, x is as far forward as it can be, or up.
    """
    x = None if lower is None else _across(upper, bends_to * lower, _STRAIGHT)
    for ahead in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]):
        if x is None:
            x = _across(upper, np.array(ahead), _STRAIGHT)
    assert x is not None  # a direction is not along two axes at once
    return np.stack([x, np.cross(-upper, x), -upper], axis=1)


def _across(axis: AnyArray, vector: AnyArray, least: float = 1e-6) -> AnyArray | None:
    """The direction (3,) of a vector's part across a unit axis; None where that is too small."""
    part = vector - (vector @ axis) * axis
    return None if np.linalg.norm(part) < least else _unit(part)


def _unit(vector: AnyArray) -> AnyArray | None:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else None


def _clipped(cosine: float) -> float:
    return min(1.0, max(-1.0, cosine))
