"""A model's joints are those that its file or the user says, and no others by their number."""

from __future__ import annotations

import pytest

from pose_estimation_ros.engine.skeletons import (
    COCO17,
    H36M18,
    MUCO21,
    SKELETONS,
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
    ],
)
def test_who_says_it_is_believed(
    joints: int, metadata: dict, more: dict, skeleton: object
) -> None:
    assert skeleton_of_model(joints, metadata, "the model", **more) is skeleton


@pytest.mark.parametrize(
    ("joints", "metadata", "more", "words"),
    [
        (21, {}, {}, r"does not say which: say --skeleton muco21 if they are its \(hands"),
        (18, {}, {}, "say --skeleton h36m18 if they are its"),
        (21, {"keypoint_names": "wrist,thumb1,thumb2"}, {}, "wrist, thumb1, .* --skeleton"),
        (17, {"keypoint_names": "left_eye,right_eye,nose,neck,tail"}, {}, "not those of coco17"),
        (18, {"keypoint_names": "nose neck right_shoulder"}, {}, "nose, neck, right_shoulder, "),
        (21, {"skeleton": "hand21"}, {}, "'hand21': not those of"),
        (26, {}, {}, "no --skeleton has 26"),
        (17, {}, {"asked": "h36m18"}, "17 joints, and --skeleton h36m18 has 18"),
        (5, {}, {"of_convnextpose": True}, "fits no known skeleton"),
    ],
)
def test_what_is_left_open_is_refused(joints: int, metadata: dict, more: dict, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        skeleton_of_model(joints, metadata, "the model", **more)


def test_the_parameter_offers_what_there_is() -> None:
    assert set(SKELETON_NAMES) == {"auto", *SKELETONS}
