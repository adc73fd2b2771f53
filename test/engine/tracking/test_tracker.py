import numpy as np
import pytest

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


def test_somebody_behind_something_is_expected_there_and_has_an_inside() -> None:
    tracker = Tracker(TrackingOptions())
    for step in range(12):  # the right edge meets a wall, the left one goes on
        tracker.update(np.array([[100 + 5 * step, 0, 160, 200]], np.float32), step / 30)
    for step in range(12, 40):
        tracker.update(np.zeros((0, 4), np.float32), step / 30)
        identities, boxes = tracker.lost()
        assert identities.tolist() == [0] and (boxes[:, 2:] > boxes[:, :2]).all()


def test_somebody_unseen_in_the_second_image_of_a_stamp_is_lost() -> None:
    tracker = Tracker(TrackingOptions())
    tracker.update(_boxes(100, 300), 1.0)
    tracker.update(_boxes(100), 1.0)
    assert tracker.lost()[0].tolist() == [1]


@pytest.mark.parametrize("fps", [0.4, 0.6])
def test_a_slow_camera_sees_the_same_persons(fps: float) -> None:
    tracker = Tracker(TrackingOptions(reentry_s=1.0))
    for frame in range(20):
        identities, _ = tracker.update(_boxes(100 + frame, 300 - frame), frame / fps)
        assert identities.tolist() == [0, 1]
    # They were seen at every image; somebody who was not is somebody else in the end.
    tracker.update(np.zeros((0, 4), np.float32), 20 / fps)
    assert tracker.update(_boxes(119), 23 / fps)[0].tolist() == [2]


def test_time_that_stands_still_does_not_fill_the_memory() -> None:
    tracker = Tracker(TrackingOptions())
    for frame in range(2000):
        tracker.update(_boxes(1000.0 * frame), 5.0)
    assert len(tracker.identities) < 1000


def test_disabled_tracking_gives_no_identities() -> None:
    options = TrackingOptions(enabled=False)
    assert Tracker(options).update(_boxes(1, 2), 0.0)[0].tolist() == [-1, -1]
