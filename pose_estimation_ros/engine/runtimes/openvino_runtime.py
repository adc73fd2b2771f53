"""OpenVINO: .xml (its own format), .onnx and .tflite files."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.runtimes.file_metadata import file_metadata
from pose_estimation_ros.engine.runtimes.load_failures import load_failure
from pose_estimation_ros.engine.runtimes.runtime import Cores, TensorSpec, in_single_precision
from pose_estimation_ros.errors import ModelError, RuntimeMissingError


class OpenVinoRuntime:
    """A model on the CPU; every call has an infer request and a stream of its own.

    `precision` of the arithmetic: "f32", "bf16" (twice as fast on CPUs that have it, accurate to
    about 1 %), or "auto", which is bf16 where the CPU has it. Models quantised to int8
    run in int8 either way.
    """

    name = "openvino"

    def __init__(self, path: Path, cores: Cores, precision: str = "f32") -> None:
        """Loads the file.

        Raises:
            ModelError: the file or its weights are missing or broken.
            RuntimeMissingError: OpenVINO is not installed or does not start.
        """
        try:
            import openvino
        except ImportError as error:
            raise RuntimeMissingError(
                f"{path} needs OpenVINO, which is not usable here ({error}): pip install openvino"
            ) from error
        self.path = path
        weights = path.with_suffix(".bin")
        if path.suffix.lower() == ".xml" and not weights.is_file():
            raise ModelError(f"{path} has no weights beside it: put {weights.name} there")
        try:
            core = openvino.Core()
            model = core.read_model(str(path))
            self._compiled = _compile(core, model, cores, precision)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(load_failure("OpenVINO", path, error, reason)) from error
        self.inputs = [self._spec(port) for port in self._compiled.inputs]
        self.outputs = [self._spec(port) for port in self._compiled.outputs]
        self.metadata = {**file_metadata(path), **_metadata(model)}
        self._idle: list[Any] = []  # infer requests; no thread owns one, since threads come and go

    @property
    def streams(self) -> int:
        """The number of calls that are computed at the same time."""
        return int(self._compiled.get_property("NUM_STREAMS"))

    @staticmethod
    def _spec(port: object) -> TensorSpec:
        names = port.get_names()  # type: ignore[attr-defined]
        sizes = port.get_partial_shape()  # type: ignore[attr-defined]
        shape = tuple(None if size.is_dynamic else size.get_length() for size in sizes)
        dtype = np.dtype(port.get_element_type().to_dtype())  # type: ignore[attr-defined]
        return TensorSpec(min(names, default=""), shape, dtype)

    def run(self, *tensors: AnyArray) -> list[AnyArray]:
        try:
            request = self._idle.pop()  # atomic, as is append
        except IndexError:
            request = self._compiled.create_infer_request()
        # Copied out: the request reuses its output tensors for its next call.
        results = request.infer(dict(enumerate(tensors)), share_inputs=True)
        copies = [np.array(results[port]) for port in self._compiled.outputs]
        self._idle.append(request)
        return in_single_precision(copies)


def _compile(core: Any, model: Any, cores: Cores, precision: str) -> Any:
    """The model for the CPU; "auto" is bf16 where that works, f32 elsewhere."""
    settings = {
        # In one stream, calls of several threads would be computed one after another.
        "INFERENCE_NUM_THREADS": cores.threads * cores.callers,
        "NUM_STREAMS": cores.callers,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "auto" else precision,
    }
    if precision == "auto":
        if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            # It asks the processor, and fails where oneDNN may not use what that has.
            with contextlib.suppress(RuntimeError):
                return core.compile_model(model, "CPU", settings)
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    return core.compile_model(model, "CPU", settings)


def _metadata(model: Any) -> dict[str, str]:
    """The metadata of the .onnx file that a model was read or converted from."""
    kept = dict(model.rt_info.items()).get("framework")
    if not isinstance(kept, dict):
        return {}
    return {str(name): str(value.value) for name, value in kept.items()}
