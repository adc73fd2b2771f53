"""Every setting of the package: declared once (`parameters`), by one mechanism (`declaration`)."""

from pose_estimation_ros.settings.parameters import (
    MAX_IMAGE_PIXELS,
    PIPELINES,
    PRECISIONS,
    RUNTIMES,
    CameraTopics,
    DetectorOptions,
    EngineConfig,
    HybridOptions,
    NodeOptions,
    PipelineOptions,
    PoseCacheOptions,
    Settings,
    SmoothingOptions,
    TrackingOptions,
)
from pose_estimation_ros.settings.setting import Setting, apply, check, setting, settings_of

__all__ = [
    "MAX_IMAGE_PIXELS",
    "PIPELINES",
    "PRECISIONS",
    "RUNTIMES",
    "CameraTopics",
    "DetectorOptions",
    "EngineConfig",
    "HybridOptions",
    "NodeOptions",
    "PipelineOptions",
    "PoseCacheOptions",
    "Setting",
    "Settings",
    "SmoothingOptions",
    "TrackingOptions",
    "apply",
    "check",
    "setting",
    "settings_of",
]
