"""V3: one person at the lowest latency.

The detector runs only when there is nobody to follow, and now and then to check; in between, the
crop follows the last pose. A check runs in the background on a frame that has been answered, while
the next one is awaited, so that no answer waits for it.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.detection.box_propagation import BoxPropagator
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.latency import Stopwatch
from pose_estimation_ros.engine.execution.program_end import PROGRAM_END
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.pipelines.camera_session import NO_BOXES, CameraSession
from pose_estimation_ros.engine.pipelines.loaded_models import Models
from pose_estimation_ros.engine.pose.pose_cache import EstimatedJoints
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.types import Detections, Frame, Image, PoseResult, StageTimes
from pose_estimation_ros.settings import PipelineOptions

_SAME_PERSON_IOU = 0.2
_CHECKS_MISSED = 2  # in a row, before the person is given up


@dataclass(frozen=True, slots=True)
class _Check:
    """A run of the detector on the last frame, and the joints that were found in that frame."""

    found: Future[Detections]
    joints: JointEstimates


class V3Pipeline:
    """One camera's V3. Frames of a camera come one after another: threads wait for their turn.

    Attributes:
        persons_seen: how many the detector found for this frame; None where it did not run.
    """

    name = "v3"

    def __init__(
        self, models: Models, options: PipelineOptions, session: CameraSession | None = None
    ) -> None:
        self._models = models
        self._options = options
        self._session = session or CameraSession(models, options)
        self._followed: Detections | None = None
        self._propagator: BoxPropagator | None = None  # since the detector saw the person last
        self._check: _Check | None = None
        self._frames_since_check = 0
        self._missed = 0
        self.persons_seen: int | None = None

    def process(self, frame: Frame, cancel: CancelToken | None = None) -> PoseResult:
        """The most prominent person of the frame, then the same one as long as it is there.

        Raises:
            ModelError: no detector or no pose model is usable.
            CancelledError: the token was cancelled.
            ClosedError: the models were closed, or this is a fork.
        """
        self._session.models.lifetime.check()
        with PROGRAM_END.frame_in_work(), self._session.in_turn:
            answer = self._answer(frame, cancel or CancelToken())
            return self._session.published(answer)

    def _answer(self, frame: Frame, cancel: CancelToken) -> PoseResult:
        if self._session.starts_anew(frame):
            self.reset()
        times = StageTimes()
        self.persons_seen = None
        people = self._session.people(frame, times, cancel)
        if people is not None:
            return self._answer_at_once(frame, *people, times)
        checked = self._check is not None or self._followed is None
        person = self._finish_check(times) if self._check else self._followed
        if person is None:
            person = self._detect(frame, times)
        estimated = self._estimate(frame, person, times, cancel)
        if person is not None and not checked and self._is_lost(estimated):
            # Where the pose was, nobody is any more: run the detector on this very frame.
            self._followed = None
            person = self._detect(frame, times)
            estimated = self._estimate(frame, person, times, cancel)
        found = person or Detections.empty()
        result = self._session.finish(self.name, frame, found, estimated, times)
        self._frames_since_check += 1
        in_sight = bool(result.poses.in_sight.any())
        self._followed = self._next_box(found, estimated.joints) if in_sight else None
        due = self._frames_since_check >= self._options.detect_every
        if self._followed is not None and due:
            self._begin_check(frame, self._followed.boxes, estimated.joints)
        return result

    def _answer_at_once(
        self, frame: Frame, seen: Detections, estimated: EstimatedJoints, times: StageTimes
    ) -> PoseResult:
        """The person to follow among everybody, whom a one-stage model has found on this frame."""
        self._check = self._propagator = None
        self.persons_seen = len(seen)
        chosen = self._choose(seen)
        found = seen.only(chosen) if chosen is not None else Detections.empty()
        joints = estimated.joints.take([] if chosen is None else [chosen])
        estimated = replace(estimated, joints=joints)
        result = self._session.finish(self.name, frame, found, estimated, times)
        if chosen is not None:
            self._followed = found if result.poses.in_sight.any() else None
        return result

    def _choose(self, seen: Detections) -> int | None:
        """Whom of everybody to answer for: the person followed so far, else the most prominent."""
        if self._followed is not None:
            overlap = box_iou(self._followed.boxes, seen.boxes)[0]
            if len(seen) and overlap.max() >= _SAME_PERSON_IOU:
                self._missed = 0
                return int(overlap.argmax())
            self._missed += 1
            if self._missed < _CHECKS_MISSED:
                return None  # one miss of the model is no reason to jump to somebody else
            self._followed, self._missed = None, 0
        return _most_prominent(seen)

    def follow(self, boxes: FloatArray) -> None:
        """Goes on with the largest of these boxes (n, 4), as when another pipeline hands over."""
        if len(boxes):
            area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
            self._followed = Detections(boxes[[area.argmax()]], np.ones(1, np.float32))
            self._propagator = None
        self._check = None
        self._frames_since_check = self._options.detect_every

    def reset(self) -> None:
        """Forgets the person."""
        with self._session.in_turn:
            self._followed = self._propagator = self._check = None
            self._missed = 0
            self._session.reset()

    def _detect(self, frame: Frame, times: StageTimes) -> Detections | None:
        """Runs the detector on this frame, as there is nobody to follow."""
        seen = self._session.detect(frame, NO_BOXES, times)
        self._check = None
        self._frames_since_check = self._missed = 0
        self.persons_seen = len(seen)
        return self._most_prominent(seen)

    def _begin_check(self, frame: Frame, boxes: FloatArray, joints: JointEstimates) -> None:
        """Runs the detector on a frame that is answered already, until the next one comes."""
        if not frame.pixels_stay:
            image = Image(frame.image.pixels.copy(), frame.image.order)
            frame = replace(frame, image=image)
        detect = partial(self._models.detect, frame, self._options, boxes)
        self._check = _Check(self._models.background.submit(detect), joints)
        self._frames_since_check = 0

    def _finish_check(self, times: StageTimes) -> Detections | None:
        """The person followed so far if the detector still saw it, else a new one.

        The next frame always waits for it, so that the same frames get the same answers.
        """
        assert self._check is not None and self._followed is not None
        check, followed = self._check, self._followed
        self._check = None
        watch = Stopwatch()
        seen = check.found.result()
        times.detect_ms += watch.lap_ms()
        self.persons_seen = len(seen)
        overlap = box_iou(followed.boxes, seen.boxes)[0]
        if len(seen) and overlap.max() >= _SAME_PERSON_IOU:
            self._missed = 0
            person = seen.only(int(overlap.argmax()))
            # Its box and these joints are of the same frame.
            xy, scores = check.joints.xy[0], check.joints.scores[0]
            self._propagator = BoxPropagator(person.boxes[0], xy, scores)
            return person
        self._missed += 1
        if self._missed < _CHECKS_MISSED:
            return followed  # one miss of the detector is no reason to drop a good pose
        self._missed = 0
        return self._most_prominent(seen)

    def _most_prominent(self, seen: Detections) -> Detections | None:
        self._propagator = None
        prominent = _most_prominent(seen)
        return None if prominent is None else seen.only(prominent)

    def _estimate(
        self, frame: Frame, person: Detections | None, times: StageTimes, cancel: CancelToken
    ) -> EstimatedJoints:
        boxes = person.boxes if person else NO_BOXES
        return self._session.estimate(frame, boxes, times, cancel)

    def _is_lost(self, estimated: EstimatedJoints) -> bool:
        return bool(estimated.joints.means(estimated.skeleton)[0] < self._options.min_pose_score)

    def _next_box(self, found: Detections, joints: JointEstimates) -> Detections:
        """Where the person's crop will be in the next frame."""
        if found.rough:
            return Detections(self._session.last_boxes, found.scores, rough=True)
        xy, scores = joints.xy[0], joints.scores[0]
        if self._propagator is None:
            self._propagator = BoxPropagator(found.boxes[0], xy, scores)
        return Detections(self._propagator.update(xy, scores)[None], found.scores)


def _most_prominent(seen: Detections) -> int | None:
    """The largest and surest of the persons; None where there is nobody."""
    if len(seen) == 0:
        return None
    area: AnyArray = (seen.boxes[:, 2:] - seen.boxes[:, :2]).prod(axis=1)
    return int((area * seen.scores).argmax())
