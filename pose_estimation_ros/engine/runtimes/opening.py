"""Opens a model file with a given runtime, importing that runtime alone."""

from __future__ import annotations

from pathlib import Path

from pose_estimation_ros.engine.runtimes.runtime import Cores, Runtime


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
    from pose_estimation_ros.engine.runtimes.onnx_runtime import OnnxRuntime

    return OnnxRuntime(path, cores.onnx_threads or cores.threads, runtime)
