"""Hybrid: V3 or V4, frame by frame, over the same models and the same tracks."""

from __future__ import annotations

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.program_end import PROGRAM_END
from pose_estimation_ros.engine.pipelines.camera_session import CameraSession
from pose_estimation_ros.engine.pipelines.loaded_models import Models
from pose_estimation_ros.engine.pipelines.v3_single_person import V3Pipeline
from pose_estimation_ros.engine.pipelines.v4_multi_person import V4Pipeline
from pose_estimation_ros.engine.types import Frame, PoseResult
from pose_estimation_ros.settings import PipelineOptions


class HybridPipeline:
    """One camera's hybrid. Frames come one after another: threads wait for their turn."""

    name = "hybrid"

    def __init__(self, models: Models, options: PipelineOptions) -> None:
        self._options = options.hybrid
        self._session = CameraSession(models, options)
        self._v3 = V3Pipeline(models, options, self._session)
        self._v4 = V4Pipeline(models, options, self._session)
        self._many = self._options.follow_scene
        self._many_seen_at_s: float | None = None

    @property
    def active(self) -> str:
        """The pipeline that answers at present."""
        return self._v4.name if self._many else self._v3.name

    def process(self, frame: Frame, cancel: CancelToken | None = None) -> PoseResult:
        """The answer of the pipeline that fits; raises what that one raises."""
        self._session.models.lifetime.check()
        with PROGRAM_END.frame_in_work(), self._session.in_turn:
            if not self._options.follow_scene:
                self._switch(self._options.max_persons > 1 or not self._options.latency_critical)
            answer = self._process_many if self._many else self._process_one
            return answer(frame, cancel)

    def reset(self) -> None:
        """Forgets everyone."""
        with self._session.in_turn:
            self._v3.reset()
            self._many_seen_at_s = None

    def _process_one(self, frame: Frame, cancel: CancelToken | None) -> PoseResult:
        result = self._v3.process(frame, cancel)
        seen = self._v3.persons_seen
        if self._options.follow_scene and seen is not None and seen > 1:
            self._many_seen_at_s = self._session.now_s
            self._switch(True)
        return result

    def _process_many(self, frame: Frame, cancel: CancelToken | None) -> PoseResult:
        result = self._v4.process(frame, cancel)
        if self._options.follow_scene:
            since_s, now_s = self._many_seen_at_s, self._session.now_s
            persons = int(result.poses.in_sight.sum())
            if persons > 1 or since_s is None or now_s < since_s:
                self._many_seen_at_s = now_s
            elif now_s - since_s >= self._options.calm_s:
                self._switch(False)
        return result

    def _switch(self, many: bool) -> None:
        if many == self._many:
            return
        self._many = many
        if many:
            self._v4.detect_next()
        else:
            self._v3.follow(self._session.last_boxes)
