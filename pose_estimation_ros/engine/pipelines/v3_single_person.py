"""V3: one person at the lowest latency.

The detector looks only when there is nobody to follow, and now and then to check; in between, the
crop follows the last pose. A check looks at a frame that has been answered, while the next one is
awaited, so that no answer waits for it.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from functools import partial

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.detection.box_propagation import BoxFollower
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.pipelines.stages import (
    CameraState,
    Models,
    PipelineOptions,
    Timer,
    finish,
)
from pose_estimation_ros.engine.poses import TRACK_LOST, JointEstimates
from pose_estimation_ros.engine.skeletons import Skeleton
from pose_estimation_ros.engine.types import Detections, Frame, Image, PoseResult, StageTimes

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
        # The detector's look at the last frame, and the joints found in that frame.
        self._look: tuple[Future[Detections], JointEstimates] | None = None
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
        checked = self._look is not None or self._followed is None
        person = self._finish_look(times) if self._look else self._followed
        if person is None:
            person = self._check(frame, times)
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
        if self._followed is not None and self._since_check >= self._options.detect_every:
            self._begin_look(frame, self._followed.boxes, joints)
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
        self._look = None
        self._since_check = self._options.detect_every

    def reset(self) -> None:
        """Forgets the person."""
        self._followed = self._follower = self._look = None
        self._missed = 0
        self._state.reset()

    def _check(self, frame: Frame, times: StageTimes) -> Detections | None:
        """Lets the detector look at this frame, as there is nobody to follow."""
        timer = Timer()
        seen = self._models.detect(frame, self._options, np.zeros((0, 4), np.float32))
        times.detect_ms += timer.lap_ms()
        self._look = None
        self._since_check = self._missed = 0
        self.persons_seen = len(seen)
        return self._most_prominent(seen)

    def _begin_look(self, frame: Frame, boxes: FloatArray, joints: JointEstimates) -> None:
        """Lets the detector look at a frame that is answered already, until the next one comes."""
        if not frame.pixels_stay:
            image = Image(frame.image.pixels.copy(), frame.image.order)
            frame = replace(frame, image=image)
        look = partial(self._models.detect, frame, self._options, boxes)
        self._look = self._models.background.submit(look), joints
        self._since_check = 0

    def _finish_look(self, times: StageTimes) -> Detections | None:
        """The person followed so far if the detector still saw it, else a new one.

        The next frame always waits for it, so that the same frames get the same answers.
        """
        assert self._look is not None and self._followed is not None
        (future, joints), followed = self._look, self._followed
        self._look = None
        timer = Timer()
        seen = future.result()
        times.detect_ms += timer.lap_ms()
        self.persons_seen = len(seen)
        overlap = box_iou(followed.boxes, seen.boxes)[0]
        if len(seen) and overlap.max() >= _SAME_PERSON_IOU:
            self._missed = 0
            person = _one(seen, int(overlap.argmax()))
            # Its box and these joints are of the same frame.
            self._follower = BoxFollower(person.boxes[0], joints.xy[0], joints.scores[0])
            return person
        self._missed += 1
        if self._missed < _CHECKS_MISSED:
            return followed  # one miss of the detector is no reason to drop a good pose
        self._missed = 0
        return self._most_prominent(seen)

    def _most_prominent(self, seen: Detections) -> Detections | None:
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
