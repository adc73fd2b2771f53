"""Joint angles and sizes of bodies, against bodies built from known angles."""

from __future__ import annotations

import numpy as np
import pytest
from kinematic_body import COCO_POINTS, frames_of, joints_of, random_rotation

from pose_estimation_ros.engine.kinematics import (
    LINKS,
    BodySize,
    BodySizeEstimate,
    body_posture,
    turned_about,
)

SIZE = BodySize(0.5, 0.19, 0.12, 0.3, 0.26, 0.42, 0.41, 0.09, 0.12)
# How far each joint turns in people, degrees.
RANGES = {
    "y_shoulder": (-60, 90),
    "p_shoulder": (5, 175),
    "r_shoulder": (-80, 80),
    "elbow": (5, 150),
    "y_hip": (-30, 40),
    "p_hip": (-15, 60),
    "r_hip": (-20, 100),
    "knee": (-150, -5),
    "r_head": (-40, 40),
    "y_head": (-70, 70),
    "p_head": (-50, 50),
}


def some_angles(rng: np.random.Generator) -> dict[str, float]:
    angles = {"waist": 0.0}
    for link in LINKS:
        if link.axis is not None and link.joint != "waist":
            kind = link.joint if "head" in link.joint else link.joint[2:]
            angles[link.joint] = float(np.radians(rng.uniform(*RANGES[kind])))
    return angles


@pytest.mark.parametrize("seed", range(40))
def test_the_angles_that_a_body_was_built_from_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles, origin, rotation = some_angles(rng), rng.normal(size=3), random_rotation(rng)
    posture = body_posture(joints_of(SIZE, angles, origin, rotation))
    assert posture is not None
    np.testing.assert_allclose(posture.origin, origin, atol=1e-9)
    np.testing.assert_allclose(posture.rotation, rotation, atol=1e-9)
    assert posture.angles.keys() == angles.keys()
    for joint, angle in angles.items():
        assert posture.angles[joint] == pytest.approx(angle, abs=1e-6), joint


def test_straight_limbs_end_where_they_were_seen() -> None:
    """The twist of a straight limb cannot be seen, but its ends are in their places."""
    rng = np.random.default_rng(1)
    for elbow, swing in ((0.0, 0.0), (0.0, np.pi), (0.0, 1.0), (0.4, 0.0), (0.4, np.pi)):
        angles = dict.fromkeys(some_angles(rng), 0.0)
        for side in "lr":
            angles[f"{side}_p_shoulder"], angles[f"{side}_elbow"] = swing, elbow
        joints = joints_of(SIZE, angles, np.zeros(3), np.eye(3))
        posture = body_posture(joints)
        assert posture is not None
        again = frames_of(SIZE, posture.angles, posture.origin, posture.rotation)
        for name, link in COCO_POINTS.items():
            np.testing.assert_allclose(again[link][:3, 3], joints[name], atol=1e-6, err_msg=name)


def test_standing_upright_all_angles_are_zero() -> None:
    zero = dict.fromkeys((link.joint for link in LINKS if link.axis is not None), 0.0)
    posture = body_posture(joints_of(SIZE, zero, np.zeros(3), np.eye(3)))
    assert posture is not None
    assert max(abs(angle) for angle in posture.angles.values()) < 1e-9


def test_what_is_not_seen_has_no_angle() -> None:
    rng = np.random.default_rng(2)
    joints = joints_of(SIZE, some_angles(rng), np.zeros(3), np.eye(3))
    for hidden in ("left_wrist", "right_elbow", "left_knee", "right_ankle", "left_eye"):
        del joints[hidden]
    posture = body_posture(joints)
    assert posture is not None
    missing = {link.joint for link in LINKS if link.axis is not None} - posture.angles.keys()
    right_arm = {"r_y_shoulder", "r_p_shoulder", "r_r_shoulder", "r_elbow"}
    left_leg = {"l_y_hip", "l_p_hip", "l_r_hip", "l_knee"}
    head = {"r_head", "y_head", "p_head"}
    assert missing == right_arm | left_leg | head | {"l_elbow", "r_knee"}
    del joints["left_hip"]
    assert body_posture(joints) is None


def test_joints_in_one_place_are_no_body() -> None:
    everywhere = dict.fromkeys(COCO_POINTS, np.ones(3))
    assert body_posture(everywhere) is None


def test_sizes_settle_and_follow_the_median() -> None:
    rng = np.random.default_rng(3)
    estimate = BodySizeEstimate()
    for image in range(40):
        joints = joints_of(SIZE, some_angles(rng), rng.normal(size=3), np.eye(3))
        if image % 5 == 0:
            joints["left_wrist"] = joints["left_wrist"] + 3.0  # an outlier
        estimate.update(joints)
        assert (estimate.size is None) == (image < 7)
    size = estimate.size
    assert size is not None
    for name in ("torso", "shoulder", "hip", "upper_arm", "forearm", "thigh", "shank"):
        assert getattr(size, name) == pytest.approx(getattr(SIZE, name), rel=1e-6), name


def test_legs_behind_a_desk_are_in_proportion_to_the_torso() -> None:
    estimate = BodySizeEstimate()
    joints = joints_of(SIZE, some_angles(np.random.default_rng(4)), np.zeros(3), np.eye(3))
    seen = {name: place for name, place in joints.items() if "knee" not in name}
    for _ in range(10):
        estimate.update(seen)
    assert estimate.size is not None
    assert estimate.size.thigh == pytest.approx(0.245 / 0.288 * SIZE.torso)
    without_hips = {name: place for name, place in seen.items() if "hip" not in name}
    other = BodySizeEstimate()
    for _ in range(50):
        other.update(without_hips)
    assert other.size is None


@pytest.mark.parametrize("axis", [(1.0, 0, 0), (0, -1.0, 0), (0, 0, 1.0)])
def test_a_turn_is_right_handed(axis: tuple[float, float, float]) -> None:
    rotation = turned_about(axis, 0.3)
    np.testing.assert_allclose(rotation @ axis, axis)
    across = np.roll(np.abs(axis), 1)
    assert np.cross(across, rotation @ across) @ axis == pytest.approx(np.sin(0.3))
