"""V4: everyone in the image.

Detector on every frame, crops in batches over the worker pool, poses in the order of detection.
"""

from __future__ import annotations

from pose_estimation_ros.engine.cancel import CancelToken
from pose_estimation_ros.engine.stages import CameraState, Models, PipelineOptions, Timer, finish
from pose_estimation_ros.engine.types import Frame, PoseResult, StageTimes


class V4Pipeline:
    """One camera's V4. Not thread-safe: frames of a camera come one after another."""

    name = "v4"

    def __init__(
        self, models: Models, options: PipelineOptions, state: CameraState | None = None
    ) -> None:
        self._models = models
        self._options = options
        self._state = state or CameraState(options)

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
        seen = self._models.detect(frame, self._options, self._state.last_boxes)
        times.detect_ms = timer.lap_ms()
        cancel.check()
        joints, skeleton = self._models.estimate(frame, seen.boxes, cancel, self._state.reuse)
        times.pose_ms = timer.lap_ms()
        return finish(
            *(frame, self.name, seen, joints, skeleton),
            *(self._models, self._state, self._options, times),
        )

    def reset(self) -> None:
        """Forgets everyone."""
        self._state.reset()
