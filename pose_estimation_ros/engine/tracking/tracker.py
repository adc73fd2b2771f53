"""Identities from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray, IntArray
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.poses import TRACK_NEW, TRACK_TRACKED
from pose_estimation_ros.settings import TrackingOptions

# In multiples of `min_pose_score`, the least score, the detector's times the joints', of a new
# track, and of a person in an image without a track to continue. Chosen on images and clips:
# docs/experiments tells the curve.
NEW_TRACK_SCORE = 1.5
UNTRACKED_SCORE = 1.125

_LONGEST_PREDICTION_S = 0.5
_VELOCITY_WEIGHT = 0.3  # of the newest measurement
_NEAR_SIMILARITY = 0.3  # of boxes without overlap whose centres coincide


@dataclass(slots=True)
class _Track:
    identity: int
    box: AnyArray
    velocity: AnyArray  # of the box's edges, px/s
    seen_s: float

    def predicted(self, now_s: float) -> AnyArray:
        # A person that vanished is expected where they were heading, but not for long.
        return self.box + self.velocity * min(now_s - self.seen_s, _LONGEST_PREDICTION_S)


class Tracker:
    """Matches boxes to tracks by overlap with their predicted boxes, best pairs first.

    A track without overlap may still take the nearest box within its own size: a person who left
    for a moment, or a frame rate too low for overlap.
    """

    def __init__(self, options: TrackingOptions) -> None:
        self.options = options
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._now_s = -np.inf

    @property
    def identities(self) -> set[int]:
        """The numbers of all live tracks: seen now, or within the re-entry time."""
        return {track.identity for track in self._tracks}

    def update(
        self, boxes: FloatArray, stamp_s: float, may_be_new: AnyArray | bool = True
    ) -> tuple[IntArray, IntArray]:
        """Identities (n,) and states (n,) of the boxes (n, 4).

        Time that runs backward (a bag that starts again) ends every track.

        Args:
            boxes: of the persons in the frame.
            stamp_s: the frame's time.
            may_be_new: (n,) which boxes may start a track, or whether all may. The others continue
                one or stay untracked, -1 (Zhang et al., "ByteTrack", ECCV 2022).
        """
        n = len(boxes)
        if stamp_s < self._now_s:
            self.reset()
        self._now_s = stamp_s
        if not self.options.enabled:
            self._tracks.clear()
            return np.full(n, -1, np.int32), np.full(n, TRACK_NEW, np.int32)
        self._tracks = [
            track for track in self._tracks if stamp_s - track.seen_s <= self.options.reentry_s
        ]
        identities = np.full(n, -1, np.int32)
        states = np.full(n, TRACK_TRACKED, np.int32)
        for index, track in self._match(boxes, stamp_s):
            self._update(track, boxes[index], stamp_s)
            identities[index] = track.identity
        for index in np.flatnonzero((identities < 0) & may_be_new).tolist():
            track = _Track(self._next_id, boxes[index].copy(), np.zeros(4), stamp_s)
            self._next_id += 1
            self._tracks.append(track)
            identities[index] = track.identity
            states[index] = TRACK_NEW
        return identities, states

    def lost(self, now_s: float) -> tuple[IntArray, FloatArray]:
        """Identities (m,) and predicted boxes (m, 4) of the tracks alive but not seen now."""
        unseen = [track for track in self._tracks if track.seen_s < now_s]
        boxes = np.array([track.predicted(now_s) for track in unseen], np.float32)
        return np.array([track.identity for track in unseen], np.int32), boxes.reshape(-1, 4)

    def reset(self) -> None:
        """Ends every track. Numbers are not reused, so nobody inherits an identity."""
        self._tracks.clear()
        self._now_s = -np.inf

    def _match(self, boxes: FloatArray, stamp_s: float) -> list[tuple[int, _Track]]:
        if not (len(boxes) and self._tracks):
            return []
        predicted = np.stack([track.predicted(stamp_s) for track in self._tracks])
        similarity = box_iou(boxes, predicted)
        similarity += np.where(similarity > 0, 0.0, self._nearness(boxes, predicted))
        pairs: list[tuple[int, _Track]] = []
        while True:
            index, which = divmod(int(similarity.argmax()), len(self._tracks))
            if similarity[index, which] < self.options.min_similarity:
                return pairs
            pairs.append((index, self._tracks[which]))
            similarity[index], similarity[:, which] = -1.0, -1.0

    @staticmethod
    def _nearness(boxes: FloatArray, predicted: AnyArray) -> FloatArray:
        """(n, m): 0.3 where centres coincide, falling to 0 at one mean box size apart."""
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        others = (predicted[:, :2] + predicted[:, 2:]) / 2
        distance = np.linalg.norm(centres[:, None] - others[None], axis=2)
        size = (predicted[:, 2:] - predicted[:, :2]).mean(axis=1)
        near = _NEAR_SIMILARITY * np.clip(1.0 - distance / np.maximum(size, 1.0), 0.0, 1.0)
        return near.astype(np.float32, copy=False)

    @staticmethod
    def _update(track: _Track, box: AnyArray, stamp_s: float) -> None:
        dt_s = stamp_s - track.seen_s
        if dt_s > 0:
            measured = (box - track.box) / dt_s
            track.velocity = (1 - _VELOCITY_WEIGHT) * track.velocity + _VELOCITY_WEIGHT * measured
        track.box = box.copy()
        track.seen_s = stamp_s
