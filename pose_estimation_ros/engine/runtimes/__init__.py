"""Inference runtimes (ONNX Runtime, OpenVINO, LiteRT, PyTorch) behind one protocol, `Runtime`."""

from pose_estimation_ros.engine.runtimes.loader import load_runtime
from pose_estimation_ros.engine.runtimes.registry import runtimes_for
from pose_estimation_ros.engine.runtimes.runtime import Cores, Runtime, TensorSpec

__all__ = [
    "Cores",
    "Runtime",
    "TensorSpec",
    "load_runtime",
    "runtimes_for",
]
