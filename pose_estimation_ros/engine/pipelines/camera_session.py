"""Who is in front of one camera: the state that lasts from frame to frame, and the last stage."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.detection.box_propagation import boxes_around_joints
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.latency import Stopwatch
from pose_estimation_ros.engine.pipelines.loaded_models import Models
from pose_estimation_ros.engine.pose.duplicates import keep_distinct
from pose_estimation_ros.engine.pose.pose_cache import EstimatedJoints, PoseCache
from pose_estimation_ros.engine.pose.positions_3d import positions_in_metres
from pose_estimation_ros.engine.poses import TRACK_LOST, Poses
from pose_estimation_ros.engine.tracking.smoothing import Smoother
from pose_estimation_ros.engine.tracking.tracker import HELD_SCORE, UNTRACKED_SCORE, Tracker
from pose_estimation_ros.engine.types import Detections, Frame, PoseResult, StageTimes
from pose_estimation_ros.settings import PipelineOptions

NO_BOXES: FloatArray = np.zeros((0, 4), np.float32)


class CameraSession:
    """One camera's tracks, smoothing and pose cache.

    Hybrid's two pipelines share one.
    A frame goes through its three methods in order: detect, estimate, finish. Not thread-safe.

    Attributes:
        in_turn: held while a frame is answered, and while everyone is forgotten.
        last_boxes: (n, 4) px, around the joints of everybody in the last frame.
    """

    def __init__(self, models: Models, options: PipelineOptions) -> None:
        self.models, self.options = models, options
        self.in_turn = threading.RLock()
        self.last_boxes = NO_BOXES
        self._tracker = Tracker(options.tracking)
        self._smoother = Smoother(options.smoothing)
        self._cache = PoseCache(options.pose_cache)

    def reset(self) -> None:
        """Forgets everyone."""
        self._tracker.reset()
        self._smoother.reset()
        self._cache.clear()
        self.last_boxes = NO_BOXES

    @property
    def now_s(self) -> float:
        """The time of the last frame, which never goes back by jitter."""
        return self._tracker.time.now_s

    def starts_anew(self, frame: Frame) -> bool:
        """Whether everybody is to be forgotten before this frame: it stands alone, or its stamp
        lies so far back that it is of another recording.
        """
        return self._tracker.time.starts_anew(frame.stamp_s)

    def detect(self, frame: Frame, previous: FloatArray, times: StageTimes) -> Detections:
        """Everyone in the frame; `previous` (n, 4) px as for Detector.detect.

        Raises:
            ModelError: no detector is usable.
        """
        watch = Stopwatch()
        found = self.models.detect(frame, self.options, previous)
        times.detect_ms += watch.lap_ms()
        return found

    def people(
        self, frame: Frame, times: StageTimes, cancel: CancelToken
    ) -> tuple[Detections, EstimatedJoints] | None:
        """Everyone in the frame with their joints; None where that takes `detect` and `estimate`.

        All the time of such a model is `detect`'s: there is no second stage.

        Raises:
            ModelError: no pose model is usable.
            CancelledError: the token was cancelled.
        """
        cancel.check()
        watch = Stopwatch()
        people = self.models.people(frame, self.options)
        if people is not None:
            times.detect_ms += watch.lap_ms()
        return people

    def estimate(
        self, frame: Frame, boxes: FloatArray, times: StageTimes, cancel: CancelToken
    ) -> EstimatedJoints:
        """Joints of the persons in the boxes (n, 4) px.

        Raises:
            ModelError: no pose model is usable.
            CancelledError: the token was cancelled.
        """
        cancel.check()
        watch = Stopwatch()
        estimated = self.models.estimate(frame, boxes, cancel, self._cache)
        times.pose_ms += watch.lap_ms()
        return estimated

    def published(self, result: PoseResult) -> PoseResult:
        """An answer with the joints that are asked for, where the model has others."""
        asked = self.models.skeleton
        if asked is None or asked is result.poses.skeleton:
            return result
        return replace(result, poses=result.poses.in_skeleton(asked))

    def finish(
        self,
        pipeline: str,
        frame: Frame,
        found: Detections,
        estimated: EstimatedJoints,
        times: StageTimes,
    ) -> PoseResult:
        """Drops false positives, then gives identities, smooths, and places joints in metres.

        A person's score is the detector's times the mean of the joints'. New tracks need a higher
        score than existing ones, since false positives come and go with low scores, and people who
        are there have low ones in some frames.
        """
        watch = Stopwatch()
        options, joints = self.options, estimated.joints
        mean = joints.means(estimated.skeleton)
        scores = (found.scores * mean).astype(np.float32)
        continued = options.tracking.enabled and frame.stamp_s is not None
        if continued:
            kept = mean >= HELD_SCORE * options.min_pose_score
        else:
            kept = mean >= options.min_pose_score
            kept &= scores >= UNTRACKED_SCORE * options.min_pose_score
        boxes, joints, scores = found.boxes[kept], joints.take(kept), scores[kept]
        skeleton = estimated.skeleton
        distinct = keep_distinct(joints, boxes, scores, skeleton)
        boxes, joints, scores = boxes[distinct], joints.take(distinct), scores[distinct]
        least_new = options.tracking.new_track_score * options.min_pose_score
        behind = self._tracker.time.went_back
        stamp_s = frame.stamp_s or 0.0
        ids, states = self._tracker.update(boxes, stamp_s, not continued or scores >= least_new)
        if options.tracking.enabled:
            tracked = ids >= 0
            boxes, joints, scores = boxes[tracked], joints.take(tracked), scores[tracked]
            ids, states = ids[tracked], states[tracked]
        self._smoother.keep(self._tracker.identities)
        xy = self._smoother.smooth(joints.xy, boxes, ids, self.now_s)
        joints = replace(joints, xy=xy)
        self.last_boxes = boxes_around_joints(joints, boxes)
        root_depth = self.models.root_depth
        positions, sources = positions_in_metres(frame, joints, boxes, skeleton, root_depth)
        poses = Poses(boxes, scores, joints, positions, ids, states, sources, skeleton)
        if options.report_lost:
            lost_ids, lost_boxes = self._tracker.lost()
            lost = Poses.without_joints(lost_boxes, skeleton, lost_ids, TRACK_LOST)
            poses = Poses.concatenate([poses, lost])
        times.track_ms = watch.lap_ms()
        new = len(estimated) - estimated.cache_hits
        went_back = self._tracker.time.went_back > behind
        hits, left_out = estimated.cache_hits, found.left_out
        return PoseResult(poses, pipeline, times, new, hits, went_back, left_out)
