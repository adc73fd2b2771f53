"""Poses: iteration, selection, concatenation, and drawing."""

from __future__ import annotations

import numpy as np
import pytest

from pose_estimation_ros.engine.poses import TRACK_LOST, TRACK_TRACKED, JointEstimates, Poses
from pose_estimation_ros.engine.skeletons import COCO17, MUCO21


def _poses(n: int) -> Poses:
    rng = np.random.default_rng(0)
    xy = rng.uniform(10, 90, (n, 17, 2)).astype(np.float32)
    scores = rng.uniform(0.5, 1, (n, 17)).astype(np.float32)
    corner = rng.uniform(0, 10, (n, 2))
    return Poses(
        np.concatenate([corner, corner + 90], axis=1).astype(np.float32),
        rng.uniform(0, 1, n).astype(np.float32),
        JointEstimates(xy, scores, np.zeros((n, 17), np.float32)),
        rng.normal(size=(n, 17, 3)).astype(np.float32),
        np.arange(n, dtype=np.int32),
        np.full(n, TRACK_TRACKED, np.int32),
        np.zeros(n, np.int32),
        COCO17,
    )


def test_iterating_gives_the_persons_in_order() -> None:
    poses = _poses(3)
    assert [person.track_id for person in poses] == [0, 1, 2]
    for index, person in enumerate(poses):
        assert person["left_wrist"][:2] == tuple(poses.joints.xy[index, 9].tolist())
        assert person["left_wrist"].score == poses.joints.scores[index, 9]
        np.testing.assert_array_equal(person.position_m("nose"), poses.positions_m[index, 0])
        np.testing.assert_array_equal(person.box, poses.boxes[index])


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (slice(1, None), [1, 2]),
        ([2, 0], [2, 0]),
        ([], []),
        (np.array([True, False, True]), [0, 2]),
        ([False, True, False], [1]),
        (np.array([1]), [1]),
    ],
)
def test_slices_indices_and_masks_select(which: object, expected: list[int]) -> None:
    some = _poses(3)[which]  # type: ignore[index]
    assert isinstance(some, Poses) and some.track_ids.tolist() == expected
    assert some.keypoints.shape == (len(expected), 17, 3)


def test_a_number_selects_one_person() -> None:
    poses = _poses(3)
    assert poses[-1].track_id == poses[np.int64(2)].track_id == 2
    with pytest.raises(IndexError):
        poses[3]


def test_nobody_is_empty_and_parts_are_joined() -> None:
    nobody, poses = Poses.empty(), _poses(3)
    assert len(nobody) == 0 and list(nobody) == []
    joined = Poses.concatenate([poses[:1], nobody, poses[1:]])
    assert joined.track_ids.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(joined.keypoints, poses.keypoints)
    with pytest.raises(ValueError, match=r"one skeleton, got .*coco17.*muco21"):
        Poses.concatenate([poses, Poses.empty(MUCO21)])
    with pytest.raises(ValueError, match="got none"):
        Poses.concatenate([])


def test_who_is_lost_has_a_box_and_no_joints() -> None:
    boxes = np.array([[0, 0, 10, 20]], np.float32)
    lost = Poses.without_joints(boxes, COCO17, np.array([7], np.int32), TRACK_LOST)
    everyone = Poses.concatenate([_poses(2), lost])
    assert everyone.in_sight.tolist() == [True, True, False]
    assert everyone[2].lost and everyone[2].track_id == 7
    assert np.isnan(everyone[2].xy).all() and (everyone[2].joint_scores == 0).all()


def test_drawing_changes_the_picture_in_place() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    drawn = _poses(1).draw(picture)
    assert drawn is picture and picture.any()
    untouched = Poses.empty().draw(np.zeros((100, 100, 3), np.uint8))
    assert not untouched.any()


def test_other_identities_leave_the_original_alone() -> None:
    poses = _poses(2)
    renamed = poses.with_track_ids(np.array([5, 6], np.int32))
    assert [person.track_id for person in renamed] == [5, 6]
    assert poses.track_ids.tolist() == [0, 1]
