"""The user's folder of models: what is fetched, and what is converted on demand."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "POSE_ESTIMATION_MODELS"


def models_folder() -> Path:
    """The folder that the environment names, else the usual one for a user's data."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "pose_estimation_ros" / "models"


def conversions_folder() -> Path:
    """Where conversions made on demand go."""
    return models_folder() / "converted"
