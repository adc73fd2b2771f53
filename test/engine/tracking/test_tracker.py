import numpy as np

from pose_estimation_ros.engine.poses import TRACK_NEW, TRACK_TRACKED
from pose_estimation_ros.engine.tracking.tracker import Tracker
from pose_estimation_ros.settings import TrackingOptions


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


def test_time_running_backward_starts_new_tracks_with_new_numbers() -> None:
    tracker = Tracker(TrackingOptions())
    tracker.update(_boxes(100), 50.0)
    assert tracker.update(_boxes(100), 1.0)[0].tolist() == [1]
    assert tracker.update(_boxes(100), 1.1)[0].tolist() == [1]


def test_no_track_is_claimed_twice() -> None:
    tracker = Tracker(TrackingOptions())
    tracker.update(_boxes(100), 0.0)
    identities, _ = tracker.update(_boxes(98, 102, 106), 0.1)
    assert sorted(identities.tolist()) == [0, 1, 2]


def test_low_scores_continue_tracks_but_start_none() -> None:
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
