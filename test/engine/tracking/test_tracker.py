"""Identities and smoothing."""

import numpy as np
import pytest

from pose_estimation_ros.engine.detection.box_propagation import BoxFollower
from pose_estimation_ros.engine.poses import TRACK_NEW, TRACK_TRACKED
from pose_estimation_ros.engine.tracking.smoothing import Smoother, SmoothingOptions
from pose_estimation_ros.engine.tracking.tracker import Tracker, TrackingOptions


def _boxes(*centres: float) -> np.ndarray:
    return np.array([[x - 20, 0, x + 20, 100] for x in centres], np.float32)


def test_identities_follow_the_persons_not_the_order() -> None:
    tracker = Tracker(TrackingOptions())
    first, states = tracker.update(_boxes(100, 300), 0.0)
    assert first.tolist() == [0, 1] and (states == TRACK_NEW).all()
    second, states = tracker.update(_boxes(304, 96), 0.1)
    assert second.tolist() == [1, 0] and (states == TRACK_TRACKED).all()


def test_two_persons_who_pass_each_other_keep_their_identities() -> None:
    tracker = Tracker(TrackingOptions())
    for step in range(41):
        left, right = 100.0 + 10 * step, 500.0 - 10 * step
        identities, _ = tracker.update(_boxes(left, right), step / 10)
    assert identities.tolist() == [0, 1]


def test_a_person_keeps_the_identity_within_the_reentry_time_only() -> None:
    tracker = Tracker(TrackingOptions(reentry_s=1.0))
    nobody = np.zeros((0, 4), np.float32)
    tracker.update(_boxes(100), 0.0)
    tracker.update(nobody, 0.5)
    assert tracker.update(_boxes(110), 0.9)[0].tolist() == [0]
    tracker.update(nobody, 1.5)
    assert tracker.update(_boxes(110), 2.5)[0].tolist() == [1]


def test_time_that_runs_backward_starts_anew_without_reusing_numbers() -> None:
    tracker = Tracker(TrackingOptions())
    tracker.update(_boxes(100), 50.0)
    assert tracker.update(_boxes(100), 1.0)[0].tolist() == [1]
    assert tracker.update(_boxes(100), 1.1)[0].tolist() == [1]


def test_no_track_is_claimed_twice() -> None:
    tracker = Tracker(TrackingOptions())
    tracker.update(_boxes(100), 0.0)
    identities, _ = tracker.update(_boxes(98, 102, 106), 0.1)
    assert sorted(identities.tolist()) == [0, 1, 2]


def test_who_is_unsure_carries_on_an_identity_and_begins_none() -> None:
    tracker = Tracker(TrackingOptions())
    unsure, sure = np.array([False]), np.array([True])
    assert tracker.update(_boxes(100), 0.0, unsure)[0].tolist() == [-1]
    assert not tracker.identities
    assert tracker.update(_boxes(100), 0.1, sure)[0].tolist() == [0]
    identities, states = tracker.update(_boxes(102, 300), 0.2, np.array([False, False]))
    assert identities.tolist() == [0, -1] and states[0] == TRACK_TRACKED
    assert tracker.identities == {0}


def test_disabled_tracking_gives_no_identities() -> None:
    options = TrackingOptions(enabled=False)
    assert Tracker(options).update(_boxes(1, 2), 0.0)[0].tolist() == [-1, -1]


def _smooth(points: np.ndarray, options: SmoothingOptions, fps: float = 30.0) -> np.ndarray:
    smoother = Smoother(options)
    box, track = np.array([[0, 0, 100, 200]], np.float32), np.array([7], np.int32)
    steps = [
        smoother.smooth(point.reshape(1, 1, 2), box, track, index / fps)[0, 0]
        for index, point in enumerate(points)
    ]
    return np.array(steps)


def test_smoothing_calms_a_joint_at_rest_and_follows_a_fast_one() -> None:
    options = SmoothingOptions(enabled=True)
    noise = np.random.default_rng(1).normal(0, 1, (200, 2)).astype(np.float32)
    at_rest = _smooth(100 + noise, options)
    assert at_rest[30:].std() < 0.6 * noise[30:].std()
    moving = np.stack([np.arange(60) * 20.0, np.zeros(60)], axis=1).astype(np.float32)
    lag = moving - _smooth(moving, options)
    assert lag[-1, 0] < 20  # less than one frame behind


@pytest.mark.parametrize(("body_heights_a_second", "lag_s"), [(0.01, 0.10), (1.0, 0.024)])
def test_smoothing_lags_as_the_readme_says(body_heights_a_second: float, lag_s: float) -> None:
    speed = 200 * body_heights_a_second
    moving = np.stack([np.arange(600) * speed / 30, np.zeros(600)], axis=1).astype(np.float32)
    behind = moving[-1, 0] - _smooth(moving, SmoothingOptions(enabled=True))[-1, 0]
    assert behind / speed == pytest.approx(lag_s, rel=0.05)


def test_smoothing_is_off_by_default_and_forgets() -> None:
    points = np.array([[0, 0], [50, 50]], np.float32)
    np.testing.assert_array_equal(_smooth(points, SmoothingOptions()), points)
    smoother = Smoother(SmoothingOptions(enabled=True))
    box, track = np.array([[0, 0, 9, 9]], np.float32), np.array([0], np.int32)
    smoother.smooth(np.zeros((1, 1, 2), np.float32), box, track, 0.0)
    smoother.keep(set())
    jump = np.full((1, 1, 2), 90, np.float32)
    np.testing.assert_array_equal(smoother.smooth(jump, box, track, 0.03), jump)


def test_a_followed_box_moves_and_grows_with_the_joints() -> None:
    rng = np.random.default_rng(3)
    joints, scores = rng.uniform(100, 200, (17, 2)), np.full(17, 0.8)
    shift = np.array([15.0, -4.0])
    follower = BoxFollower(np.array([80.0, 70, 220, 240]), joints, scores)
    np.testing.assert_allclose(follower.follow(joints, scores), [80, 70, 220, 240], atol=1e-3)
    moved = follower.follow(joints + shift, scores)
    np.testing.assert_allclose(moved, [95, 66, 235, 236], atol=1e-3)
    lost = scores.copy()
    lost[:8] = 0.0  # half the joints vanish: the box stays as it is
    np.testing.assert_allclose(follower.follow(joints + shift, lost), moved, atol=1e-3)
    grown = follower.follow(joints * 1.1, scores)
    np.testing.assert_allclose(grown, np.array([80, 70, 220, 240]) * 1.1, rtol=1e-3)
    wild = follower.follow(joints * 3, scores)  # no person triples from frame to frame
    assert wild[2] - wild[0] <= 1.16 * (grown[2] - grown[0])
    np.testing.assert_array_equal(follower.follow(joints, np.eye(17)[0]), wild)
