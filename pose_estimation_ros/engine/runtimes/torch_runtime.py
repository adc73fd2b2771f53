"""PyTorch: ConvNeXtPose checkpoints (.pth) and ultralytics' detectors (.pt)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.runtimes.runtime import TensorSpec, blank_inputs
from pose_estimation_ros.errors import ModelError, RuntimeMissingError

_DTYPES = {"uint8": np.uint8, "float32": np.float32}


class TorchRuntime:
    """A checkpoint, run on the GPU where there is one, else on the CPU."""

    name = "torch"

    def __init__(self, path: Path, threads: int) -> None:
        """Loads the file.

        Raises:
            ModelError: the file is not a checkpoint of a known network.
            RuntimeMissingError: torch, or ultralytics for a .pt, is not installed or broken.
        """
        try:
            import torch

            from pose_estimation_ros.engine.networks.checkpoints import load_module
        except (ImportError, OSError) as error:  # OSError: its libraries do not fit the machine
            raise RuntimeMissingError(
                f"{path} needs PyTorch, which is not usable here ({error}): pip install torch"
            ) from error
        self.path = path
        self._torch = torch
        self._threads = threads
        self._lock = threading.Lock()
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        checkpoint = load_module(path)
        self._module = checkpoint.module.to(self._device).eval()
        self._module.requires_grad_(False)
        dtype = np.dtype(_DTYPES[checkpoint.input_dtype])
        self.inputs = [TensorSpec("image", checkpoint.input_shape, dtype)]
        self.metadata = dict(checkpoint.metadata)
        try:
            outputs = self.run(*blank_inputs(self.inputs))
        except RuntimeError as error:
            reason = str(error).splitlines()[0][:200]
            raise ModelError(f"PyTorch cannot run {path}: {reason}") from error
        self.outputs = [
            TensorSpec(name, (None, *output.shape[1:]), output.dtype)
            for name, output in zip(checkpoint.output_names, outputs, strict=False)
        ]

    def run(self, *tensors: AnyArray) -> list[AnyArray]:
        torch = self._torch
        # One call at a time: the number of threads is the process's, and modules such as a
        # detector's head cache what they computed for the last size.
        with self._lock, torch.inference_mode():
            if torch.get_num_threads() != self._threads:
                torch.set_num_threads(self._threads)
            inputs = [torch.from_numpy(tensor).to(self._device) for tensor in tensors]
            result: Any = self._module(*inputs)
            results = result if isinstance(result, tuple | list) else [result]
            return [output.cpu().numpy() for output in results]
