"""TensorFlow Lite: .tflite files, through the LiteRT interpreter."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.runtimes.file_metadata import file_metadata
from pose_estimation_ros.engine.runtimes.runtime import TensorSpec
from pose_estimation_ros.errors import ModelError, RuntimeMissingError


class TfliteRuntime:
    """A .tflite file. An interpreter is not thread-safe, so every calling thread has its own.

    Inputs and outputs that are quantised to int8 appear as float32, in the specs too; uint8 image
    inputs stay pixels.
    """

    name = "tflite"

    def __init__(self, path: Path, threads: int) -> None:
        """Loads the file.

        Raises:
            ModelError: the file is broken or uses operators that the interpreter lacks.
            RuntimeMissingError: LiteRT is not installed or does not start.
        """
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise RuntimeMissingError(
                f"{path} needs LiteRT, which is not usable here ({error}): "
                "pip install ai-edge-litert"
            ) from error
        self.path = path
        self._make, self._threads = Interpreter, threads
        self._local = threading.local()
        interpreter = self._interpreter()
        self._inputs: list[dict[str, Any]] = interpreter.get_input_details()
        # By name: converters number the names in order, while the order in the file differs.
        self._outputs: list[dict[str, Any]] = sorted(
            interpreter.get_output_details(), key=lambda tensor: tensor["name"]
        )
        self.inputs = [self._spec(tensor) for tensor in self._inputs]
        self.outputs = [self._spec(tensor) for tensor in self._outputs]
        self.metadata = file_metadata(path)

    def _interpreter(self) -> Any:
        interpreter = getattr(self._local, "interpreter", None)
        if interpreter is None:
            try:
                interpreter = self._make(model_path=str(self.path), num_threads=self._threads)
                interpreter.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                reason = " ".join(str(error).split())[:200]
                raise ModelError(f"LiteRT cannot load {self.path}: {reason}") from error
            self._local.interpreter = interpreter
        return interpreter

    @staticmethod
    def _spec(tensor: dict[str, Any]) -> TensorSpec:
        signature = tensor.get("shape_signature", tensor["shape"])
        shape = tuple(None if size < 0 else int(size) for size in signature)
        dtype = np.float32 if tensor["dtype"] == np.int8 else tensor["dtype"]
        return TensorSpec(tensor["name"], shape, np.dtype(dtype))

    def run(self, *tensors: AnyArray) -> list[AnyArray]:
        interpreter = self._interpreter()
        resized = False
        for detail, tensor in zip(self._inputs, tensors, strict=True):
            now = interpreter.get_input_details()[self._inputs.index(detail)]["shape"]
            if tuple(now) != tensor.shape:
                interpreter.resize_tensor_input(detail["index"], tensor.shape)
                resized = True
        if resized:
            interpreter.allocate_tensors()
        for detail, tensor in zip(self._inputs, tensors, strict=True):
            interpreter.set_tensor(detail["index"], _quantise(tensor, detail))
        interpreter.invoke()
        return [_dequantise(interpreter.get_tensor(d["index"]), d) for d in self._outputs]


def _quantise(values: AnyArray, detail: dict[str, Any]) -> AnyArray:
    """Values for an int8 tensor, quantised; those for any other type unchanged."""
    if detail["dtype"] != np.int8:
        return values
    scale, zero = detail["quantization"]
    return np.clip(np.round(values / scale) + zero, -128, 127).astype(np.int8)


def _dequantise(values: AnyArray, detail: dict[str, Any]) -> AnyArray:
    """A quantised tensor's values as float32; those of any other unchanged."""
    scale, zero = detail["quantization"]
    if scale == 0 or values.dtype not in (np.int8, np.uint8):
        return values
    return (values.astype(np.float32) - zero) * np.float32(scale)
