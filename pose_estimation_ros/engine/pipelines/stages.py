"""What the pipelines share: the models, the state of one camera, and the last stage."""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray, IntArray
from pose_estimation_ros.engine.detection.detector import Detector, DetectorOptions
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.fallback_chain import ChainState, FallbackChain, Rung
from pose_estimation_ros.engine.execution.memory import return_free_memory
from pose_estimation_ros.engine.execution.workers import (
    LAST_JOBS_S,
    Helpers,
    WorkerPool,
    chunk_sizes,
)
from pose_estimation_ros.engine.pose.pose_cache import PoseReuse, ReuseOptions
from pose_estimation_ros.engine.pose.positions_3d import locate
from pose_estimation_ros.engine.pose.root_depth import BoxDepth, RootDepth
from pose_estimation_ros.engine.pose.top_down import TopDownPose
from pose_estimation_ros.engine.poses import DEPTH_NONE, TRACK_LOST, JointEstimates, Poses
from pose_estimation_ros.engine.skeletons import Skeleton
from pose_estimation_ros.engine.tracking.smoothing import Smoother, SmoothingOptions
from pose_estimation_ros.engine.tracking.tracker import Tracker, TrackingOptions
from pose_estimation_ros.engine.types import Detections, Frame, PoseResult, StageTimes

# Of `min_pose_score`: the least score, the detector's times the joints', of somebody new.
NEW_SCORE = 0.75

# The model, what is known already by person, whose joints are fresh (n,), and those joints.
_Estimates = tuple[TopDownPose, list[JointEstimates | None], AnyArray, JointEstimates]


@dataclass(slots=True)
class PipelineOptions:
    """Settings that may change while the pipelines run; every part reads them anew each frame."""

    detector: DetectorOptions = field(default_factory=DetectorOptions)
    tracking: TrackingOptions = field(default_factory=TrackingOptions)
    smoothing: SmoothingOptions = field(default_factory=SmoothingOptions)
    min_pose_score: float = 0.2
    detect_every: int = 10
    detect_every_many: int = 1
    report_lost: bool = False
    reuse: ReuseOptions = field(default_factory=ReuseOptions)


@dataclass
class Models:
    """The loaded models and the threads that run them, shared by all cameras and pipelines."""

    detector: FallbackChain[Detector]
    pose: FallbackChain[TopDownPose]
    workers: WorkerPool
    root_depth: FallbackChain[RootDepth] = field(
        default_factory=lambda: FallbackChain("root depth", [Rung(BoxDepth.name, BoxDepth)])
    )
    background: Helpers = field(default_factory=lambda: Helpers(1, "pose_background"))

    def __post_init__(self) -> None:
        # A program that just ends must not tear its thread out of a runtime, which aborts then.
        weakref.finalize(self, self.background.close, LAST_JOBS_S)

    def load(self) -> None:
        """Loads the best usable detector and pose model now rather than at the first image.

        Raises:
            ModelError: a chain has no usable rung.
        """
        _ = self.detector.current, self.pose.current, self.root_depth.current
        return_free_memory()

    @property
    def chains(self) -> tuple[FallbackChain[Any], ...]:
        return (self.detector, self.pose, self.root_depth)

    def states(self) -> dict[str, ChainState]:
        """Which rung of each chain answers at present, by the chain's name."""
        return {chain.what: chain.state for chain in self.chains}

    @property
    def hang(self) -> bool:
        """Whether a model's call was given up and is still not over."""
        return any(chain.hangs for chain in self.chains)

    def detect(self, frame: Frame, options: PipelineOptions, previous: AnyArray) -> Detections:
        """Everyone in the frame; `previous` (n, 4) px as for Detector.detect."""
        return self.detector.call(lambda d: d.detect(frame.image, options.detector, previous))

    def estimate(
        self,
        frame: Frame,
        boxes: FloatArray,
        cancel: CancelToken,
        reuse: PoseReuse | None = None,
    ) -> tuple[JointEstimates, Skeleton]:
        """Joints of the persons in the boxes (n, 4), spread over the workers.

        Those of persons that did not change are taken from `reuse`.
        """

        def use(pose: TopDownPose) -> _Estimates:
            nothing: list[JointEstimates | None] = [None] * len(boxes)
            known = reuse.find(frame.image, boxes, pose) if reuse else nothing
            fresh = np.array([joints is None for joints in known], bool)
            wanted = boxes[fresh]
            ends = np.cumsum(chunk_sizes(len(wanted), self.workers.workers, pose.batch))
            chunks = np.split(wanted, ends[:-1]) if len(wanted) else []
            parts = self.workers.map(lambda b: pose.estimate(frame.image, b), chunks, cancel)
            none = JointEstimates.empty(len(pose.skeleton.joints))
            return pose, known, fresh, JointEstimates.concatenate(parts or [none])

        if reuse is not None:
            reuse.used = reuse.estimated = 0
        if len(boxes) == 0:
            skeleton = self.pose.current.skeleton
            return JointEstimates.empty(len(skeleton.joints)), skeleton
        pose, known, fresh, joints = self.pose.call(use)
        if reuse is not None:
            # Here rather than in `use`, which goes on in its thread after it was given up.
            reuse.keep(frame.image, boxes[fresh], joints, pose, pose.enlarge)
            old = [one for one in known if one is not None]
            reuse.used, reuse.estimated = len(old), len(boxes) - len(old)
            order = np.concatenate([np.flatnonzero(fresh), np.flatnonzero(~fresh)])
            joints = JointEstimates.concatenate([joints, *old]).take(np.argsort(order))
        return joints, pose.skeleton

    def close(self) -> None:
        self.workers.close()
        self.background.close()
        for chain in self.chains:
            chain.close()


class CameraState:
    """Who is in front of one camera; shared by the pipelines that take turns on it."""

    def __init__(self, options: PipelineOptions) -> None:
        self.tracker = Tracker(options.tracking)
        self.smoother = Smoother(options.smoothing)
        self.reuse = PoseReuse(options.reuse)
        self.last_boxes: FloatArray = np.zeros((0, 4), np.float32)

    def reset(self) -> None:
        """Forgets everyone."""
        self.tracker.reset()
        self.smoother.reset()
        self.reuse.clear()
        self.last_boxes = np.zeros((0, 4), np.float32)


class Timer:
    """Milliseconds since it was last asked."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap_ms(self) -> float:
        now = time.perf_counter()
        lap, self._last = (now - self._last) * 1e3, now
        return lap


def joints_box(joints: JointEstimates, boxes: FloatArray) -> FloatArray:
    """Boxes (n, 4) around the confident joints of persons whose boxes were (n, 4).

    Joints do not reach the outline, so the boxes are padded; and a box shrinks by at most a tenth
    at a time, so that an arm lost for a frame does not cut the crop.
    """
    if len(joints) == 0:
        return boxes
    floor = 0.5 * joints.scores.max(axis=1, keepdims=True)
    unsure = (joints.scores < floor)[..., None]
    low = np.where(unsure, np.inf, joints.xy).min(axis=1)
    high = np.where(unsure, -np.inf, joints.xy).max(axis=1)
    size = high - low
    size = size + 0.24 * size.max(axis=1, keepdims=True)
    size = np.maximum(size, 0.9 * (boxes[:, 2:] - boxes[:, :2]))
    centre = (low + high) / 2
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)


def with_lost(poses: Poses, ids: IntArray, boxes: FloatArray) -> Poses:
    """The poses and, after them, one entry for each lost track (m,): a box (m, 4), no joints."""
    k = poses.joints.scores.shape[1]
    blank = Poses(
        boxes,
        np.zeros(len(ids), np.float32),
        JointEstimates(
            np.full((len(ids), k, 2), np.nan, np.float32),
            np.zeros((len(ids), k), np.float32),
            np.full((len(ids), k), np.nan, np.float32),
        ),
        np.full((len(ids), k, 3), np.nan, np.float32),
        ids,
        np.full(len(ids), TRACK_LOST, np.int32),
        np.full(len(ids), DEPTH_NONE, np.int32),
        poses.skeleton,
    )
    return Poses(
        np.concatenate([poses.boxes, blank.boxes]),
        np.concatenate([poses.scores, blank.scores]),
        JointEstimates.concatenate([poses.joints, blank.joints]),
        np.concatenate([poses.positions_m, blank.positions_m]),
        np.concatenate([poses.track_ids, blank.track_ids]),
        np.concatenate([poses.track_states, blank.track_states]),
        np.concatenate([poses.depth_sources, blank.depth_sources]),
        poses.skeleton,
    )


def finish(
    frame: Frame,
    pipeline: str,
    detections: Detections,
    joints: JointEstimates,
    skeleton: Skeleton,
    models: Models,
    state: CameraState,
    options: PipelineOptions,
    times: StageTimes,
) -> PoseResult:
    """The last stage: drops ghosts, then identities, smoothing and 3D.

    A person's score is the detector's times the mean of the joints'. Who is new must be surer
    than who is known: things that pass for people do so now and then, by little.
    """
    timer = Timer()
    mean = joints.scores.mean(axis=1) if len(joints) else np.zeros(0, np.float32)
    real = mean >= options.min_pose_score
    boxes, joints = detections.boxes[real], joints.take(real)
    scores = (detections.scores * mean)[real].astype(np.float32)
    sure = scores >= NEW_SCORE * options.min_pose_score
    ids, track_states = state.tracker.update(boxes, frame.stamp_s, sure)
    if options.tracking.enabled:
        known = ids >= 0
        boxes, joints, scores = boxes[known], joints.take(known), scores[known]
        ids, track_states = ids[known], track_states[known]
    state.smoother.keep(state.tracker.identities)
    xy = state.smoother.smooth(joints.xy, boxes, ids, frame.stamp_s)
    joints = JointEstimates(xy, joints.scores, joints.z_m)
    state.last_boxes = joints_box(joints, boxes)
    positions, sources = locate(frame, joints, boxes, skeleton, models.root_depth)
    poses = Poses(boxes, scores, joints, positions, ids, track_states, sources, skeleton)
    if options.report_lost:
        poses = with_lost(poses, *state.tracker.lost(frame.stamp_s))
    times.track_ms = timer.lap_ms()
    reuse = state.reuse
    return PoseResult(poses, pipeline, times, reuse.estimated, reuse.used)
