"""Model files: what is known, where it lies, and the engine built from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.model_zoo.engine_builder import EngineConfig, build_models
from pose_estimation_ros.model_zoo.manifest import Manifest, ModelEntry, resolve_model

if TYPE_CHECKING:
    from pose_estimation_ros.model_zoo.conversion.batch import (
        ModelConverter,
        ensure_all_models_ready,
    )

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


def __getattr__(name: str) -> Any:
    """Conversion is imported where it is used: a running node needs none of it."""
    if name in ("ModelConverter", "ensure_all_models_ready"):
        from pose_estimation_ros.model_zoo.conversion import batch

        return getattr(batch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
