"""The loaded models and the threads that run them."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field, replace
from typing import Any

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.detection.detector import Detector
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.daemon_threads import DaemonThreads
from pose_estimation_ros.engine.execution.fallback_chain import ChainStatus, FallbackChain
from pose_estimation_ros.engine.execution.lifetime import Lifetime
from pose_estimation_ros.engine.execution.process_memory import return_free_memory
from pose_estimation_ros.engine.execution.worker_pool import LAST_JOBS_S, WorkerPool
from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.engine.pose.pose_cache import EstimatedJoints, PoseCache
from pose_estimation_ros.engine.pose.pose_model import PoseModel
from pose_estimation_ros.engine.pose.root_depth import BoxDepth, RootDepth
from pose_estimation_ros.engine.skeletons import Skeleton
from pose_estimation_ros.engine.types import Detections, Frame
from pose_estimation_ros.settings import PipelineOptions, PoseCacheOptions


@dataclass
class Models:
    """Detector, pose model and root depth as fallback chains, shared by all cameras and pipelines.

    `workers` estimate the poses of one frame; `background` runs the detector between V3's frames.
    """

    detector: FallbackChain[Detector]
    pose: FallbackChain[PoseModel]
    workers: WorkerPool
    root_depth: FallbackChain[RootDepth] = field(
        default_factory=lambda: FallbackChain(
            "root depth", [Candidate.of(BoxDepth.name, BoxDepth)]
        )
    )
    background: DaemonThreads = field(default_factory=lambda: DaemonThreads(1, "pose_background"))

    lifetime: Lifetime = field(default_factory=lambda: Lifetime("the models"))
    # The joints that are published, whatever the pose model has; None: its own.
    skeleton: Skeleton | None = None

    def __post_init__(self) -> None:
        # Ends the thread of models that are dropped without close(); not that of a copy, which
        # has the same threads and the same lifetime.
        weakref.finalize(self.lifetime, self.background.close, LAST_JOBS_S)

    def load(self) -> None:
        """Loads the best usable models now rather than at the first image.

        Raises:
            ModelError: a chain has no usable candidate.
            ClosedError: they were closed, or this is a fork of the process that built them.
        """
        self.lifetime.check()
        if not self.one_stage:
            self.detector.load()
        self.root_depth.load()
        return_free_memory()

    @property
    def one_stage(self) -> bool:
        """Whether the active pose model finds people itself, so that no detector runs.

        Raises:
            ModelError: no pose model is usable.
        """
        return isinstance(self.pose.load(), OneStagePose)

    @property
    def chains(self) -> tuple[FallbackChain[Any], ...]:
        """Every fallback chain."""
        return (self.detector, self.pose, self.root_depth)

    def statuses(self) -> dict[str, ChainStatus]:
        """The active model of each chain, by the chain's name."""
        statuses = {chain.name: chain.status for chain in self.chains}
        if isinstance(self.pose.loaded, OneStagePose):
            pose = statuses[self.pose.name]
            statuses[self.detector.name] = replace(pose, active=f"{pose.active} (one stage)")
        return statuses

    @property
    def hang(self) -> bool:
        """Whether a call that timed out is still running."""
        return any(chain.hangs for chain in self.chains)

    def detect(self, frame: Frame, options: PipelineOptions, previous: AnyArray) -> Detections:
        """Everyone in the frame; `previous` (n, 4) px as for Detector.detect.

        Raises:
            ModelError: no detector is usable.
        """
        people = self.people(frame, options)
        if people is not None:
            return people[0]
        return self.detector.call(lambda d: d.detect(frame.image, options.detector, previous))

    def people(
        self, frame: Frame, options: PipelineOptions
    ) -> tuple[Detections, EstimatedJoints] | None:
        """Everyone in the frame with their joints, best first; None where that takes two stages.

        Raises:
            ModelError: no pose model is usable.
        """
        if not self.one_stage:
            return None

        def use(model: PoseModel) -> tuple[Detections, EstimatedJoints] | None:
            if not isinstance(model, OneStagePose):  # the fallback, where the other failed
                return None
            found, joints = model.people(frame.image, options.detector)
            return found, EstimatedJoints(joints, model.skeleton)

        return self.pose.call(use)

    def estimate(
        self,
        frame: Frame,
        boxes: FloatArray,
        cancel: CancelToken,
        cache: PoseCache | None = None,
    ) -> EstimatedJoints:
        """Joints of the persons in the boxes (n, 4) px, in their order, spread over the workers.

        Raises:
            ModelError: no pose model is usable.
            CancelledError: the token was cancelled.
        """
        cache = cache or PoseCache(PoseCacheOptions(cache_size=0))
        return cache.estimate(frame.image, boxes, self._estimating, self.workers, cancel)

    @property
    def _estimating(self) -> FallbackChain[PoseModel]:
        """What estimates joints in boxes."""
        return self.pose

    def close(self) -> None:
        """Ends the threads. Nothing can be estimated after it; in a fork it does nothing."""
        if self.lifetime.in_another_process:
            return
        self.lifetime.end()
        self.workers.close()
        self.background.close()
        for chain in self.chains:
            chain.close()
