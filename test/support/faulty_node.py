"""The node, whose models named first_*.onnx misbehave as a file says: FAULTS=FILE faulty_node.py.

The file holds nothing, "throw N" (every Nth call), "nan", "hang SECONDS", or "missing" (no model
loads at all, not even the embedded ones).
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from model_faults import FaultyRuntime, explode, nan

from pose_estimation_ros.engine.execution import fallback_chain
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo import pipeline_models
from pose_estimation_ros.ros.main import main

_CONTROL = Path(os.environ["FAULTS"])
_CALLS = itertools.count(1)
_load = pipeline_models.load_runtime


def _misbehave(outputs: list[Any]) -> list[Any]:
    kind, _, figure = _CONTROL.read_text().strip().partition(" ")
    if kind == "throw" and next(_CALLS) % int(figure) == 0:
        return explode(outputs)
    if kind == "nan":
        return nan(outputs)
    if kind == "hang":
        time.sleep(float(figure))
    return outputs


def _faulty(path: Path, *more: Any, **options: Any) -> Any:
    if _CONTROL.read_text().strip() == "missing":
        raise ModelError(f"model file {path} does not exist: check the path")
    loaded = _load(path, *more, **options)
    return FaultyRuntime(loaded, _misbehave) if path.name.startswith("first_") else loaded


pipeline_models.load_runtime = _faulty
if "RETRY_S" in os.environ:
    fallback_chain.FIRST_RETRY_S = float(os.environ["RETRY_S"])
sys.exit(main())
