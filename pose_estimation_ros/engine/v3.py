"""V3: one person at the lowest latency.

The detector looks only when there is nobody to follow, and now and then to check; in between, the
crop follows the last pose.
"""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.cancel import CancelToken
from pose_estimation_ros.engine.following import BoxFollower
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.skeletons import Skeleton
from pose_estimation_ros.engine.stages import CameraState, Models, PipelineOptions, Timer, finish
from pose_estimation_ros.engine.types import (
    TRACK_LOST,
    AnyArray,
    Detections,
    FloatArray,
    Frame,
    JointEstimates,
    PoseResult,
    StageTimes,
)

_SAME_PERSON_IOU = 0.2
_CHECKS_MISSED = 2


class V3Pipeline:
    """One camera's V3. Not thread-safe: frames of a camera come one after another."""

    name = "v3"

    def __init__(
        self, models: Models, options: PipelineOptions, state: CameraState | None = None
    ) -> None:
        self._models = models
        self._options = options
        self._state = state or CameraState(options)
        self._followed: Detections | None = None
        self._follower: BoxFollower | None = None  # since the detector saw the person last
        self._since_check = 0
        self._missed = 0
        self.persons_seen: int | None = None  # by the last frame's detector, if it ran

    def process(self, frame: Frame, cancel: CancelToken | None = None) -> PoseResult:
        """The most prominent person of the frame, then the same one as long as it is there.

        Raises:
            ModelError: no detector or no pose model is usable.
            CancelledError: the token was cancelled.
        """
        cancel = cancel or CancelToken()
        times = StageTimes()
        self.persons_seen = None
        person, checked = self._followed, False
        if person is None or self._since_check >= self._options.detect_every:
            person, checked = self._check(frame, times), True
        joints, skeleton = self._estimate(frame, person, times, cancel)
        if person is not None and not checked and self._is_lost(joints):
            # Where the pose was, nobody is any more: look again in the same frame.
            self._followed = None
            person = self._check(frame, times)
            joints, skeleton = self._estimate(frame, person, times, cancel)
        found = person or Detections.empty()
        result = finish(
            *(frame, self.name, found, joints, skeleton),
            *(self._models, self._state, self._options, times),
        )
        self._since_check += 1
        self._followed = self._next_box(found, joints) if _seen(result) else None
        return result

    def _next_box(self, found: Detections, joints: JointEstimates) -> Detections:
        """Where to look for the person in the next frame."""
        if found.rough:
            return Detections(self._state.last_boxes, found.scores, rough=True)
        xy, scores = joints.xy[0], joints.scores[0]
        if self._follower is None:
            self._follower = BoxFollower(found.boxes[0], xy, scores)
        return Detections(self._follower.follow(xy, scores)[None], found.scores)

    def follow(self, boxes: FloatArray) -> None:
        """Goes on with the largest of these boxes (n, 4), as when another pipeline hands over."""
        if len(boxes):
            area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
            self._followed = Detections(boxes[[area.argmax()]], np.ones(1, np.float32))
            self._follower = None
        self._since_check = self._options.detect_every

    def reset(self) -> None:
        """Forgets the person."""
        self._followed = self._follower = None
        self._missed = 0
        self._state.reset()

    def _check(self, frame: Frame, times: StageTimes) -> Detections | None:
        """Lets the detector look: the person followed so far if still seen, else a new one."""
        timer = Timer()
        followed = self._followed
        previous = followed.boxes if followed else np.zeros((0, 4), np.float32)
        seen = self._models.detect(frame, self._options, previous)
        times.detect_ms += timer.lap_ms()
        self._since_check = 0
        self.persons_seen = len(seen)
        if followed is not None:
            overlap = box_iou(followed.boxes, seen.boxes)[0]
            if len(seen) and overlap.max() >= _SAME_PERSON_IOU:
                self._missed = 0
                self._follower = None
                return _one(seen, int(overlap.argmax()))
            self._missed += 1
            if self._missed < _CHECKS_MISSED:
                return followed  # one miss of the detector is no reason to drop a good pose
        self._missed = 0
        self._follower = None
        if len(seen) == 0:
            return None
        area: AnyArray = (seen.boxes[:, 2:] - seen.boxes[:, :2]).prod(axis=1)
        return _one(seen, int((area * seen.scores).argmax()))

    def _estimate(
        self, frame: Frame, person: Detections | None, times: StageTimes, cancel: CancelToken
    ) -> tuple[JointEstimates, Skeleton]:
        cancel.check()
        timer = Timer()
        boxes = person.boxes if person else np.zeros((0, 4), np.float32)
        answer = self._models.estimate(frame, boxes, cancel, self._state.reuse)
        times.pose_ms += timer.lap_ms()
        return answer

    def _is_lost(self, joints: JointEstimates) -> bool:
        return bool(joints.scores.mean() < self._options.min_pose_score)


def _seen(result: PoseResult) -> bool:
    return bool((result.poses.track_states != TRACK_LOST).any())


def _one(detections: Detections, index: int) -> Detections:
    return Detections(detections.boxes[[index]], detections.scores[[index]], detections.rough)
