"""The runtimes: which files each reads, whether it is installed, and how it is opened."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path

from pose_estimation_ros.engine.runtimes.runtime import Cores, Runtime
from pose_estimation_ros.errors import ModelError, RuntimeMissingError
from pose_estimation_ros.settings import RUNTIMES

_ONNX = tuple(name for name in RUNTIMES if name.startswith("onnxruntime"))
# The runtimes that read files of a kind; "auto" takes the first where none is installed.
_READERS = {
    ".onnx": (*_ONNX, "openvino"),
    ".xml": ("openvino",),
    ".tflite": ("tflite", "openvino"),
    ".pth": ("torch",),
    ".pt": ("torch",),
}
_LIBRARIES = {"openvino": "openvino", "tflite": "ai_edge_litert", "torch": "torch"}


def runtimes_for(path: Path) -> tuple[str, ...]:
    """The runtimes that read files of this kind, installed or not.

    Raises:
        ModelError: no runtime reads such files.
    """
    able = _READERS.get(path.suffix.lower())
    if able is None:
        kinds = ", ".join(_READERS)
        raise ModelError(f"model file {path} is of an unknown kind: expected one of {kinds}")
    return able


def installed_for(path: Path) -> list[str]:
    """Those of `runtimes_for` whose libraries are installed; nothing heavy is imported."""
    able = runtimes_for(path)
    found = []
    if "onnxruntime" in able:
        # Absent, or built for another NumPy or processor: open_with says which.
        with contextlib.suppress(Exception):
            from pose_estimation_ros.engine.runtimes.onnx_runtime import installed_providers

            found += installed_providers()
    for name, library in _LIBRARIES.items():
        if name in able and importlib.util.find_spec(library) is not None:
            found.append(name)
    return [name for name in able if name in found]


def open_with(path: Path, runtime: str, cores: Cores, precision: str = "f32") -> Runtime:
    """Loads a file with a runtime that reads such files.

    Raises:
        ModelError: the file is broken.
        RuntimeMissingError: the library that it needs is not installed.
    """
    # Each runtime costs tens of megabytes, so only the one in use is imported.
    if runtime == "openvino":
        from pose_estimation_ros.engine.runtimes.openvino_runtime import OpenVinoRuntime

        return OpenVinoRuntime(path, cores, precision)
    if runtime == "tflite":
        from pose_estimation_ros.engine.runtimes.tflite_runtime import TfliteRuntime

        return TfliteRuntime(path, cores.threads)
    if runtime == "torch":
        from pose_estimation_ros.engine.runtimes.torch_runtime import TorchRuntime

        return TorchRuntime(path, cores.threads)
    try:
        from pose_estimation_ros.engine.runtimes.onnx_runtime import OnnxRuntime
    except Exception as error:  # what a broken installation raises is of any kind
        reason = " ".join(str(error).split())[:200]
        raise RuntimeMissingError(
            f"{path.name} needs ONNX Runtime, which is not usable here ({reason}): "
            "pip install onnxruntime"
        ) from error
    return OnnxRuntime(path, cores.onnx_threads or cores.threads, runtime)
