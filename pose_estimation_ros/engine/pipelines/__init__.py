"""The three pipelines, from a frame to poses: V3 (one person), V4 (many) and hybrid."""

from __future__ import annotations

from typing import TypeAlias

from pose_estimation_ros.engine.pipelines.camera_session import CameraSession
from pose_estimation_ros.engine.pipelines.hybrid import HybridPipeline
from pose_estimation_ros.engine.pipelines.loaded_models import Models
from pose_estimation_ros.engine.pipelines.v3_single_person import V3Pipeline
from pose_estimation_ros.engine.pipelines.v4_multi_person import V4Pipeline
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.settings import PIPELINES, PipelineOptions

__all__ = [
    "CameraSession",
    "HybridPipeline",
    "Models",
    "Pipeline",
    "V3Pipeline",
    "V4Pipeline",
    "build_pipeline",
]

Pipeline: TypeAlias = V3Pipeline | V4Pipeline | HybridPipeline


def build_pipeline(name: str, models: Models, options: PipelineOptions) -> Pipeline:
    """A pipeline for one camera.

    Raises:
        ConfigError: there is none of that name.
    """
    if name == "v3":
        return V3Pipeline(models, options)
    if name == "v4":
        return V4Pipeline(models, options)
    if name == "hybrid":
        return HybridPipeline(models, options)
    raise ConfigError(f"pipeline: '{name}' is unknown: choose one of {', '.join(PIPELINES)}")
