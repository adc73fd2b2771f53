"""Settings that may change while the pipelines run; every part reads them anew each frame."""

from __future__ import annotations

from dataclasses import dataclass, field

from pose_estimation_ros.engine.detection.detector import DetectorOptions
from pose_estimation_ros.engine.pose.pose_cache import PoseCacheOptions
from pose_estimation_ros.engine.tracking.smoothing import SmoothingOptions
from pose_estimation_ros.engine.tracking.tracker import TrackingOptions


@dataclass(slots=True)
class PipelineOptions:
    """The settings of one node or program, shared by its pipelines."""

    detector: DetectorOptions = field(default_factory=DetectorOptions)
    tracking: TrackingOptions = field(default_factory=TrackingOptions)
    smoothing: SmoothingOptions = field(default_factory=SmoothingOptions)
    min_pose_score: float = 0.2
    detect_every: int = 10
    detect_every_many: int = 1
    report_lost: bool = False
    pose_cache: PoseCacheOptions = field(default_factory=PoseCacheOptions)
