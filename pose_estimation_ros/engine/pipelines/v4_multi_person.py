"""V4: everyone in the image.

The detector runs on every frame, or on every so many while each box follows its person's pose in
between; crops go in batches over the worker pool, poses come in the order of detection.
"""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.detection.box_propagation import BoxPropagator
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.program_end import PROGRAM_END
from pose_estimation_ros.engine.pipelines.camera_session import CameraSession
from pose_estimation_ros.engine.pipelines.loaded_models import Models
from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.engine.types import Detections, Frame, PoseResult, StageTimes
from pose_estimation_ros.settings import PipelineOptions


class V4Pipeline:
    """One camera's V4. Frames of a camera come one after another: threads wait for their turn."""

    name = "v4"

    def __init__(
        self, models: Models, options: PipelineOptions, session: CameraSession | None = None
    ) -> None:
        self._options = options
        self._session = session or CameraSession(models, options)
        # By track, since the detector saw the person last.
        self._propagators: dict[int, BoxPropagator] = {}
        self._propagated = Detections.empty()
        self._frames_since_detection = 0

    def process(self, frame: Frame, cancel: CancelToken | None = None) -> PoseResult:
        """Everyone in the frame.

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
        cancel.check()
        if self._session.starts_anew(frame):
            self.reset()
        times = StageTimes()
        people = self._session.people(frame, times, cancel)
        if people is not None:
            self.detect_next()
            return self._session.finish(self.name, frame, *people, times)
        found = self._detect(frame, times)
        estimated = self._session.estimate(frame, found.boxes, times, cancel)
        result = self._session.finish(self.name, frame, found, estimated, times)
        if self._options.detect_every_many > 1:
            self._propagate(result.poses)
        else:
            self.detect_next()
        return result

    def detect_next(self) -> None:
        """Runs the detector on the next frame, as when another pipeline hands over."""
        self._propagated = Detections.empty()

    def reset(self) -> None:
        """Forgets everyone."""
        with self._session.in_turn:
            self.detect_next()
            self._session.reset()

    def _detect(self, frame: Frame, times: StageTimes) -> Detections:
        """Everyone as the detector sees them, or where their poses say they are by now."""
        self._frames_since_detection += 1
        due = self._frames_since_detection >= self._options.detect_every_many
        if len(self._propagated) and not due:
            return self._propagated
        self._frames_since_detection = 0
        self._propagators = {}
        return self._session.detect(frame, self._session.last_boxes, times)

    def _propagate(self, poses: Poses) -> None:
        """Predicts where everybody will be in the next frame, unless the detector runs on it.

        Without identities nobody can be followed, and the detector runs on every frame.
        """
        propagators: dict[int, BoxPropagator] = {}
        boxes, scores = [], []
        for person in poses[poses.in_sight & (poses.track_ids >= 0)]:
            propagator = self._propagators.get(person.track_id)
            if propagator is None:
                propagator = BoxPropagator(person.box, person.xy, person.joint_scores)
            propagators[person.track_id] = propagator
            boxes.append(propagator.update(person.xy, person.joint_scores))
            # A pose's score is its detection's times the mean of its joints'.
            sure = person.joint_scores[person.skeleton.scored].mean()
            scores.append(person.score / max(float(sure), 1e-6))
        self._propagators = propagators
        where = np.array(boxes, np.float32).reshape(-1, 4)
        self._propagated = Detections(where, np.array(scores, np.float32))
