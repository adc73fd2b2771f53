"""Model files: the manifest, how models are found, fetched, converted and loaded.

`build_models(EngineConfig(pipeline="v4"))` makes the models of a pipeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pose_estimation_ros.model_zoo.manifest import (
    Manifest,
    ModelEntry,
    packaged_manifest,
    resolve_model,
)
from pose_estimation_ros.model_zoo.pipeline_models import build_models

if TYPE_CHECKING:
    from pose_estimation_ros.model_zoo.conversion.batch import (
        ModelConverter,
        ensure_all_models_ready,
    )

__all__ = [
    "Manifest",
    "ModelConverter",
    "ModelEntry",
    "build_models",
    "ensure_all_models_ready",
    "packaged_manifest",
    "resolve_model",
]


def __getattr__(name: str) -> Any:
    """Imports conversion where it is used: a running node needs none of it."""
    if name in ("ModelConverter", "ensure_all_models_ready"):
        from pose_estimation_ros.model_zoo.conversion import batch

        return getattr(batch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
