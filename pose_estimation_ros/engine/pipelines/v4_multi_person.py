"""V4: everyone in the image.

Detector on every frame, or on every so many while each box follows its person's pose in between;
crops in batches over the worker pool, poses in the order of detection.
"""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.detection.box_propagation import BoxFollower
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.pipelines.stages import (
    CameraState,
    Models,
    PipelineOptions,
    Timer,
    finish,
)
from pose_estimation_ros.engine.poses import TRACK_LOST, Poses
from pose_estimation_ros.engine.types import Detections, Frame, PoseResult, StageTimes


class V4Pipeline:
    """One camera's V4. Not thread-safe: frames of a camera come one after another."""

    name = "v4"

    def __init__(
        self, models: Models, options: PipelineOptions, state: CameraState | None = None
    ) -> None:
        self._models = models
        self._options = options
        self._state = state or CameraState(options)
        # The persons of the last frame, since the detector saw them.
        self._followers: dict[int, BoxFollower] = {}
        self._followed = Detections.empty()
        self._since_look = 0

    def process(self, frame: Frame, cancel: CancelToken | None = None) -> PoseResult:
        """Everyone in the frame.

        Raises:
            ModelError: no detector or no pose model is usable.
            CancelledError: the token was cancelled.
        """
        cancel = cancel or CancelToken()
        cancel.check()
        times = StageTimes()
        timer = Timer()
        self._since_look += 1
        follow = self._since_look < self._options.detect_every_many and len(self._followed) > 0
        if follow:
            seen = self._followed
        else:
            seen = self._models.detect(frame, self._options, self._state.last_boxes)
            self._since_look = 0
            self._followers = {}
        times.detect_ms = timer.lap_ms()
        cancel.check()
        joints, skeleton = self._models.estimate(frame, seen.boxes, cancel, self._state.reuse)
        times.pose_ms = timer.lap_ms()
        result = finish(
            *(frame, self.name, seen, joints, skeleton),
            *(self._models, self._state, self._options, times),
        )
        if self._options.detect_every_many > 1:
            self._follow(result.poses)
        else:
            self.look()
        return result

    def look(self) -> None:
        """Lets the detector look at the next frame, as when another pipeline hands over."""
        self._followed = Detections.empty()

    def _follow(self, poses: Poses) -> None:
        """Where everybody will be looked for in the next frame, unless the detector looks.

        Without identities nobody can be followed, and the detector looks at every frame.
        """
        here = np.flatnonzero((poses.track_states != TRACK_LOST) & (poses.track_ids >= 0))
        followers: dict[int, BoxFollower] = {}
        boxes, found = [], []
        for index in here.tolist():
            identity = int(poses.track_ids[index])
            xy, scores = poses.joints.xy[index], poses.joints.scores[index]
            follower = self._followers.get(identity)
            if follower is None:
                follower = BoxFollower(poses.boxes[index], xy, scores)
            followers[identity] = follower
            boxes.append(follower.follow(xy, scores))
            # A pose's score is its detection's times the mean of its joints'.
            found.append(poses.scores[index] / max(float(scores.mean()), 1e-6))
        self._followers = followers
        where = np.array(boxes, np.float32).reshape(-1, 4)
        self._followed = Detections(where, np.array(found, np.float32))

    def reset(self) -> None:
        """Forgets everyone."""
        self.look()
        self._state.reset()
