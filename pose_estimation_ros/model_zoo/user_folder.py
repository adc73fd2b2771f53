"""The user's own folder of models, for what is fetched and what is converted by itself."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "POSE_ESTIMATION_MODELS"


def models_home() -> Path:
    """The folder that the environment names, else the usual one for a user's data."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "pose_estimation_ros" / "models"


def converted_home() -> Path:
    """Where conversions go that nobody asked for by name."""
    return models_home() / "converted"
