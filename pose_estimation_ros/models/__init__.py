"""Model files: what is known, where it lies, and the engine built from it."""

from pose_estimation_ros.models.assembly import EngineConfig, build_models, build_pipeline
from pose_estimation_ros.models.converter import ModelConverter, ensure_all_models_ready
from pose_estimation_ros.models.manifest import Manifest, ModelEntry, resolve_model

__all__ = [
    "EngineConfig",
    "Manifest",
    "ModelConverter",
    "ModelEntry",
    "build_models",
    "build_pipeline",
    "ensure_all_models_ready",
    "resolve_model",
]
