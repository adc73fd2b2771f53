"""Identities from frame to frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray, IntArray
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.poses import TRACK_NEW, TRACK_TRACKED
from pose_estimation_ros.engine.tracking.frame_time import FrameTime
from pose_estimation_ros.engine.tracking.motion import BoxMotion
from pose_estimation_ros.settings import TrackingOptions

# In multiples of `min_pose_score`, the least score, the detector's times the joints', of a person
# in an image without a track to continue; of a new track it is the parameter `new_track_score`.
# Both were chosen on images and clips: docs/experiments tells the curve.
UNTRACKED_SCORE = 1.125
# Likewise, the least mean of the joints' scores of somebody whose track goes on: who turns around,
# or is half hidden for a moment, is still there.
HELD_SCORE = 0.5

_NEAR_SIMILARITY = 0.3  # of boxes without overlap whose centres coincide
# A camera that is slower than the re-entry time cannot tell that anybody was out of sight: a track
# lasts for so many of its periods, up to a limit.
_PERIODS = 1.5
_LONGEST_PERIODS_S = 10.0
_INTERVALS = 5  # of which the longest counts as the period, as images may come in bursts
_MOST_STANDING = 300  # images out of sight while time stands still


@dataclass(slots=True)
class _Track:
    identity: int
    motion: BoxMotion
    seen_s: float
    unseen: int = 0  # images without the person, while time stood still
    in_sight: bool = True

    def predicted(self, now_s: float) -> AnyArray:
        return self.motion.predicted(now_s - self.seen_s)


class Tracker:
    """Matches boxes to tracks by overlap with their predicted boxes, best pairs first.

    A track without overlap may still take the nearest box within its own size: a person who left
    for a moment, or a frame rate too low for overlap.

    Attributes:
        time: of the images, as their stamps tell it.
    """

    def __init__(self, options: TrackingOptions) -> None:
        self.options = options
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)
        self.time = FrameTime()

    @property
    def identities(self) -> set[int]:
        """The numbers of all live tracks: seen now, or within the re-entry time."""
        return {track.identity for track in self._tracks}

    def update(
        self, boxes: FloatArray, stamp_s: float, may_be_new: AnyArray | bool = True
    ) -> tuple[IntArray, IntArray]:
        """Identities (n,) and states (n,) of the boxes (n, 4).

        Time that runs backward, farther than stamps do by jitter, ends every track: a bag that
        starts again.

        Args:
            boxes: of the persons in the frame.
            stamp_s: the frame's time.
            may_be_new: (n,) which boxes may start a track, or whether all may. The others continue
                one or stay untracked, -1 (Zhang et al., "ByteTrack", ECCV 2022).
        """
        n = len(boxes)
        if self.time.starts_anew(stamp_s):
            self.reset()
        before_s, now_s = self.time.now_s, self.time.take(stamp_s)
        if not self.options.enabled:
            self._tracks.clear()
            return np.full(n, -1, np.int32), np.full(n, TRACK_NEW, np.int32)
        if self._tracks:
            self._end_tracks(now_s - before_s)
        identities = np.full(n, -1, np.int32)
        states = np.full(n, TRACK_TRACKED, np.int32)
        for index, track in self._match(boxes, now_s):
            track.motion.update(boxes[index], now_s - track.seen_s)
            track.seen_s, track.unseen, track.in_sight = now_s, 0, True
            identities[index] = track.identity
        for index in np.flatnonzero((identities < 0) & may_be_new).tolist():
            track = _Track(self._next_id, BoxMotion(boxes[index]), now_s)
            self._next_id += 1
            self._tracks.append(track)
            identities[index] = track.identity
            states[index] = TRACK_NEW
        return identities, states

    def lost(self) -> tuple[IntArray, FloatArray]:
        """Identities (m,) and predicted boxes (m, 4) of the tracks alive but not seen now."""
        unseen = [track for track in self._tracks if not track.in_sight]
        boxes = np.array([track.predicted(self.time.now_s) for track in unseen], np.float32)
        return np.array([track.identity for track in unseen], np.int32), boxes.reshape(-1, 4)

    def reset(self) -> None:
        """Ends every track. Numbers are not reused, so nobody inherits an identity."""
        self._tracks.clear()
        self._intervals.clear()
        self.time.reset()

    def _end_tracks(self, step_s: float) -> None:
        """Ends those that were out of sight for too long, `step_s` after the last image."""
        known = len(self._intervals) == _INTERVALS
        period_s = max(self._intervals) if known else max(*self._intervals, step_s, 0.0)
        self._intervals.append(step_s)
        longest_s = max(self.options.reentry_s, min(_PERIODS * period_s, _LONGEST_PERIODS_S))
        kept = []
        for track in self._tracks:
            track.unseen += not track.in_sight and step_s == 0
            if self.time.now_s - track.seen_s <= longest_s and track.unseen <= _MOST_STANDING:
                track.in_sight = False
                kept.append(track)
        self._tracks = kept

    def _match(self, boxes: FloatArray, now_s: float) -> list[tuple[int, _Track]]:
        """Indices of boxes (n, 4) with their tracks: by prediction, the rest by their last boxes.

        Somebody who stops or turns is not where they were heading, but near where they were.
        """
        if not (len(boxes) and self._tracks):
            return []
        predicted = np.stack([track.predicted(now_s) for track in self._tracks])
        last = np.stack([track.motion.predicted(0.0) for track in self._tracks])
        pairs: list[tuple[int, _Track]] = []
        free_boxes = np.ones(len(boxes), bool)
        free_tracks = np.ones(len(last), bool)
        for expected in (predicted, last):
            similarity = self._similarity(boxes, expected)
            similarity[~free_boxes], similarity[:, ~free_tracks] = -1.0, -1.0
            while similarity.max() >= self.options.min_similarity:
                index, which = divmod(int(similarity.argmax()), len(last))
                pairs.append((index, self._tracks[which]))
                free_boxes[index] = free_tracks[which] = False
                similarity[index], similarity[:, which] = -1.0, -1.0
            if not (free_boxes.any() and free_tracks.any()):
                break
        return pairs

    def _similarity(self, boxes: FloatArray, expected: AnyArray) -> FloatArray:
        """(n, m): the overlap, or where there is none, how near the boxes are."""
        similarity = box_iou(boxes, expected)
        similarity += np.where(similarity > 0, 0.0, self._nearness(boxes, expected))
        return similarity

    @staticmethod
    def _nearness(boxes: FloatArray, expected: AnyArray) -> FloatArray:
        """(n, m): 0.3 where centres coincide, falling to 0 at one mean box size apart."""
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        others = (expected[:, :2] + expected[:, 2:]) / 2
        distance = np.linalg.norm(centres[:, None] - others[None], axis=2)
        size = (expected[:, 2:] - expected[:, :2]).mean(axis=1)
        near = _NEAR_SIMILARITY * np.clip(1.0 - distance / np.maximum(size, 1.0), 0.0, 1.0)
        return near.astype(np.float32, copy=False)
