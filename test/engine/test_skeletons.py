"""A model's joints are those that its file or the user says, and no others by their number."""

from __future__ import annotations

import numpy as np
import pytest

from pose_estimation_ros.engine.poses import JointEstimates, Poses
from pose_estimation_ros.engine.skeletons import (
    COCO17,
    COCO_WHOLEBODY133,
    H36M17,
    H36M18,
    HALPE26,
    MEDIAPIPE33,
    MUCO21,
    SKELETONS,
    Skeleton,
    place_of,
    skeleton_of_model,
)
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings.parameters import SKELETON_NAMES

COCO_NAMES = ", ".join(name.replace("_", " ").title() for name in COCO17.joints)


@pytest.mark.parametrize(
    ("joints", "metadata", "more", "skeleton"),
    [
        (17, {}, {}, COCO17),
        (17, {"skeleton": "coco17"}, {}, COCO17),
        (17, {"keypoint_names": COCO_NAMES}, {}, COCO17),
        (17, {"kpt_names": str({0: list(COCO17.joints)})}, {}, COCO17),
        (17, {"keypoint_names": "left_eye,right_eye,nose"}, {"asked": "coco17"}, COCO17),
        (18, {"joint_names": str(list(H36M18.joints))}, {}, H36M18),
        (18, {}, {"of_convnextpose": True}, H36M18),
        (21, {}, {"of_convnextpose": True}, MUCO21),
        (21, {}, {"asked": "muco21"}, MUCO21),
        (21, {"skeleton": "muco21"}, {}, MUCO21),
        (133, {}, {}, COCO_WHOLEBODY133),
        (
            133,
            {"keypoint_names": "face-0,face-1"},
            {"asked": "coco_wholebody133"},
            COCO_WHOLEBODY133,
        ),
        (26, {}, {}, HALPE26),
        (26, {}, {"published": "coco17"}, HALPE26),
        (33, {}, {}, MEDIAPIPE33),
        (21, {}, {"published": "muco21"}, MUCO21),
        (17, {"keypoint_names": "nose,l_eye,r_eye"}, {"published": "coco17"}, COCO17),
        (17, {}, {"published": "h36m17"}, H36M17),
        (17, {"skeleton": "coco17"}, {"published": "h36m17"}, COCO17),
        (17, {}, {"asked": "coco17", "published": "h36m17"}, COCO17),
    ],
)
def test_who_says_it_is_believed(
    joints: int, metadata: dict, more: dict, skeleton: Skeleton
) -> None:
    assert skeleton_of_model(joints, metadata, "the model", **more) is skeleton


@pytest.mark.parametrize(
    ("joints", "metadata", "more", "words"),
    [
        (21, {}, {}, r"does not say which: say --skeleton muco21 if they are its \(hands"),
        (18, {}, {}, "say --skeleton h36m18 if they are its"),
        (14, {}, {}, "say --skeleton crowdpose14 or aic14 if they are its"),
        (18, {}, {"published": "coco17"}, "say --model-skeleton h36m18 if they are its"),
        (14, {"skeleton": "crowdpose14"}, {"asked": "aic14"}, "crowdpose14 by .* aic14: leave it"),
        (17, {"keypoint_names": COCO_NAMES}, {"asked": "h36m17"}, "coco17 by its metadata"),
        (21, {"skeleton": "hand21"}, {"published": "coco17"}, "--model-skeleton .* model_skel"),
        (21, {"keypoint_names": "wrist,thumb1,thumb2"}, {}, "wrist, thumb1, .* --skeleton"),
        (17, {"keypoint_names": "left_eye,right_eye,nose,neck,tail"}, {}, "not those of a known"),
        (18, {"keypoint_names": "nose neck right_shoulder"}, {}, "nose, neck, right_shoulder, "),
        (21, {"skeleton": "hand21"}, {}, "'hand21': not those of"),
        (30, {}, {}, "no --skeleton has 30"),
        (17, {}, {"asked": "h36m18"}, "17 joints, and --model-skeleton h36m18 has 18"),
        (5, {}, {"of_convnextpose": True}, "fits no known skeleton"),
    ],
)
def test_what_is_left_open_is_refused(joints: int, metadata: dict, more: dict, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        skeleton_of_model(joints, metadata, "the model", **more)


def test_the_parameter_offers_what_there_is() -> None:
    assert set(SKELETON_NAMES) == {"auto", *SKELETONS}


_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
EVERY = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda one: one.name)


@EVERY
def test_every_skeleton_is_whole(skeleton: Skeleton) -> None:
    count = len(skeleton.joints)
    assert skeleton.name.endswith(str(count))
    assert len(set(skeleton.places)) == count, "each joint is a place of its own"
    assert len(skeleton.sigmas) == len(skeleton.colours) == count
    assert all(0.005 < sigma < 0.2 for sigma in skeleton.sigmas)
    grouped = [joint for _, joints in skeleton.groups for joint in joints]
    assert grouped == list(range(count))
    paired = [joint for pair in skeleton.pairs for joint in pair]
    assert len(paired) == len(set(paired))
    sides = [i for i, place in enumerate(skeleton.places) if place.startswith(("left_", "right_"))]
    assert set(paired) >= set(sides), "a mirror image swaps left and right"
    assert len(skeleton.hips) == len(skeleton.shoulders) == 2
    assert set(skeleton.roots) == set(skeleton.hips) or skeleton.places[skeleton.roots[0]] == (
        "pelvis"
    )


@EVERY
def test_bones_hold_the_body_together_and_are_as_long_mirrored(skeleton: Skeleton) -> None:
    reached, waiting = set(), [skeleton.hips[0]]
    while waiting:
        joint = waiting.pop()
        if joint not in reached:
            reached.add(joint)
            waiting += [other for bone in skeleton.bones if joint in bone for other in bone]
    limbs = [place for place in skeleton.places if place.endswith(_LIMBS)]
    assert len(limbs) >= 12
    assert {skeleton.places.index(place) for place in limbs} <= reached
    swap = {**dict(skeleton.pairs), **{right: left for left, right in skeleton.pairs}}
    bones = {frozenset(bone) for bone in skeleton.bones}
    assert {frozenset(swap.get(joint, joint) for joint in bone) for bone in bones} == bones


def test_whole_bodies_have_parts() -> None:
    assert [len(joints) for _, joints in COCO_WHOLEBODY133.groups] == [17, 6, 68, 21, 21]
    hand = COCO_WHOLEBODY133.group("left_hand")
    assert COCO_WHOLEBODY133.joints[hand[0]] == "left_hand_root"
    assert COCO_WHOLEBODY133.joints[hand[-1]] == "left_pinky_finger4"
    assert COCO_WHOLEBODY133.joints[17:23] == (
        *("left_big_toe", "left_small_toe", "left_heel"),
        *("right_big_toe", "right_small_toe", "right_heel"),
    )
    with pytest.raises(KeyError, match="choose of body, feet, face"):
        COCO_WHOLEBODY133.group("tail")


def test_a_face_and_hands_out_of_sight_make_nobody_less_sure() -> None:
    scores = np.zeros((1, 133), np.float32)
    scores[:, :17] = 0.8
    joints = JointEstimates(np.zeros((1, 133, 2), np.float32), scores, scores)
    assert joints.means(COCO_WHOLEBODY133) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("name", "place"),
    [("R_Hip", "right_hip"), ("L_Toe", "left_toe"), ("mid_hip", "pelvis"), ("Pelvis", "pelvis"),
     ("mouth_left", "left_mouth"), ("top_head", "head_top"), ("nose", "nose")],
)  # fmt: skip
def test_a_place_has_one_name(name: str, place: str) -> None:
    assert place_of(name) == place


@EVERY
def test_a_consumer_of_coco_joints_needs_no_other_word(skeleton: Skeleton) -> None:
    """Reads joints by the names of COCO, whatever model there is."""
    n, k = 2, len(skeleton.joints)
    number = np.arange(n * k, dtype=np.float32).reshape(n, k)
    joints = JointEstimates(np.stack([number, -number], axis=-1), number / (n * k), number)
    positions = np.repeat(number[..., None], 3, axis=-1)
    boxes, ids = np.zeros((n, 4), np.float32), np.array([7, 8], np.int32)
    scores = np.array([0.5, 0.6], np.float32)
    poses = Poses(boxes, scores, joints, positions, ids, ids, ids, skeleton).in_skeleton(COCO17)
    assert poses.skeleton is COCO17 and poses.track_ids.tolist() == [7, 8]
    np.testing.assert_array_equal(poses.scores, scores)
    for person, published in enumerate(poses):
        for joint in COCO17.joints:
            x, y, score = published[joint]
            if joint in skeleton.places:
                expected = number[person, skeleton.places.index(joint)]
                assert (x, y) == (expected, -expected)
                assert published.position_m(joint).tolist() == [expected] * 3
            else:
                assert np.isnan([x, y]).all() and score == 0
    assert sum(place.endswith(_LIMBS) for place in skeleton.places) >= 12
