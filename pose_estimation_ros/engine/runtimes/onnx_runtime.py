"""ONNX Runtime: .onnx files, by any of its execution providers."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import numpy as np
import onnxruntime

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.execution.process_memory import register_trimmer
from pose_estimation_ros.engine.runtimes.load_failures import load_failure
from pose_estimation_ros.engine.runtimes.runtime import TensorSpec, in_single_precision
from pose_estimation_ros.errors import ModelError, RuntimeMissingError

# A network that computes y = x; a run of it only shrinks the arena.
_IDENTITY = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04'
    b"\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)

# Also for programs that imported the library before this package could set its environment.
onnxruntime.disable_telemetry_events()

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(int16)": np.int16,
    "tensor(bool)": np.bool_,
}
CPU = "CPUExecutionProvider"
# Our names of runtimes for the providers of the builds of ONNX Runtime that have them.
PROVIDERS = {
    "onnxruntime": CPU,
    "onnxruntime-cuda": "CUDAExecutionProvider",
    "onnxruntime-tensorrt": "TensorrtExecutionProvider",
    "onnxruntime-openvino": "OpenVINOExecutionProvider",
}

# x86 processors without dot products of bytes add two products in 16 bits, which may overflow: an
# int8 detector loses a tenth of its average precision. On others this changes nothing.
EXACT_INT8 = ("session.x64quantprecision", "1")


def installed_providers() -> list[str]:
    """Names of the runtimes that the installed build of ONNX Runtime offers."""
    available = onnxruntime.get_available_providers()
    return [name for name, provider in PROVIDERS.items() if provider in available]


_arena_lock = threading.Lock()
_arena_is_shared = False


def _share_arena() -> None:
    """Has all sessions of the process, opened from now on, take their memory from one arena.

    Each would otherwise keep what its largest run took, though the detector and the pose
    network take turns: 8 MB with 18 persons. Done once, before the first session is opened.
    """
    global _arena_is_shared
    with _arena_lock:
        if _arena_is_shared:
            return
        kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
        where = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
        default = -1
        limits = onnxruntime.OrtArenaCfg(0, default, default, default)
        # A program that embeds this engine may have registered its own, which serves as well.
        with contextlib.suppress(RuntimeError):
            onnxruntime.create_and_register_allocator(where, limits)
        register_trimmer(_shrink_arena)
        _arena_is_shared = True


def _shrink_arena() -> None:
    """Returns those parts of the arena that no run uses now."""
    session = onnxruntime.InferenceSession(_IDENTITY, _options(threads=1), providers=[CPU])
    shrinking = onnxruntime.RunOptions()
    shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    session.run(None, {"x": np.zeros(1, np.float32)}, shrinking)


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads that spin would take the cores that the middleware and the robot need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry(*EXACT_INT8)
    options.log_severity_level = 3
    return options


class OnnxRuntime:
    """A .onnx file. A session serves several threads at once."""

    def __init__(self, path: Path, threads: int, name: str = "onnxruntime") -> None:
        """Loads the file; the first one also sets up the arena that all sessions share.

        Raises:
            ModelError: the file is broken or of a newer opset than this ONNX Runtime knows.
            RuntimeMissingError: this build of ONNX Runtime lacks the provider, or its libraries.
        """
        self.path, self.name = path, name
        provider = PROVIDERS[name]
        if provider not in onnxruntime.get_available_providers():
            raise RuntimeMissingError(
                f"this ONNX Runtime has no {provider}: install a build that does "
                "(onnxruntime-gpu, onnxruntime-openvino), or choose another runtime"
            )
        _share_arena()
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), _options(threads), providers=list(dict.fromkeys([provider, CPU]))
            )
        except Exception as error:  # its classes are not public and have no common base
            reason = str(error).splitlines()[0]
            raise ModelError(load_failure("ONNX Runtime", path, error, reason)) from error
        if provider not in self._session.get_providers():
            raise RuntimeMissingError(
                f"{provider} is built in but does not start: check its driver and libraries"
            )
        self.inputs = [self._spec(tensor) for tensor in self._session.get_inputs()]
        self.outputs = [self._spec(tensor) for tensor in self._session.get_outputs()]
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        self._input_names = [spec.name for spec in self.inputs]
        self._output_names = [spec.name for spec in self.outputs]

    def _spec(self, tensor: onnxruntime.NodeArg) -> TensorSpec:
        if tensor.type not in _DTYPES:
            raise ModelError(
                f"{self.path}: tensor '{tensor.name}' is of type {tensor.type}, which NumPy has "
                "not: export the model in float32 or float16"
            )
        shape = tuple(size if isinstance(size, int) else None for size in tensor.shape)
        return TensorSpec(tensor.name, shape, np.dtype(_DTYPES[tensor.type]))

    def run(self, *tensors: AnyArray) -> list[AnyArray]:
        feeds = dict(zip(self._input_names, tensors, strict=True))
        return in_single_precision(self._session.run(self._output_names, feeds))
