"""The protocol of all runtimes: tensors in, tensors out, and the model file's metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.errors import ModelError

_FREE_SIDE = 320  # px; used for a free height or width where any size will do
_HEAD = 64  # bytes read to recognise a file
# The limit of the ONNX format; a larger file is not a model and would fill the memory.
LARGEST_MODEL = 2 * 2**30


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape (None where the size is free) and type of one input or output."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Cores:
    """How a model may use the processor.

    Each call is computed by `threads` threads, and up to `callers` calls run at the same time.
    ONNX Runtime's threads sleep between the layers of a network; where waking them costs more than
    they save, `onnx_threads` is its own number (0: the same).
    """

    threads: int = 1
    callers: int = 1
    onnx_threads: int = 0


class Runtime(Protocol):
    """One loaded model. `run` may be called from several threads at once."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path: ...

    @property
    def inputs(self) -> Sequence[TensorSpec]: ...

    @property
    def outputs(self) -> Sequence[TensorSpec]: ...

    @property
    def metadata(self) -> Mapping[str, str]: ...

    def run(self, *tensors: AnyArray) -> list[AnyArray]:
        """The outputs for inputs given in the order of `inputs`."""
        ...


def in_single_precision(outputs: Sequence[AnyArray]) -> list[AnyArray]:
    """The outputs with those of half precision in float32, in which places of joints are exact."""
    return [
        output.astype(np.float32) if output.dtype == np.float16 else output for output in outputs
    ]


def blank_inputs(specs: Sequence[TensorSpec]) -> list[AnyArray]:
    """Inputs of zeros that fit; a free batch is 1, any other free size 320."""
    return [
        np.zeros(
            [size or (1 if axis == 0 else _FREE_SIDE) for axis, size in enumerate(spec.shape)],
            spec.dtype,
        )
        for spec in specs
    ]


def check_file(path: Path) -> None:
    """Refuses files whose fault no runtime explains well.

    Raises:
        ModelError: the file is missing, unreadable, empty, too large, or plainly not a model.
    """
    if not path.is_file():
        raise ModelError(f"model file {path} does not exist: check the path")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise ModelError(f"model file {path} cannot be read: {error.strerror}") from error
    if path.stat().st_size > LARGEST_MODEL:
        raise ModelError(
            f"model file {path} has {path.stat().st_size / 2**30:.1f} GB, more than the "
            f"{LARGEST_MODEL / 2**30:.0f} GB that are loaded: check the path"
        )
    if not head:
        raise ModelError(f"model file {path} is empty: get it again")
    if head.startswith(b"version https://git-lfs"):
        raise ModelError(f"model file {path} is a Git LFS pointer: run 'git lfs pull' beside it")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ModelError(f"model file {path} is a web page: get the model itself")
    if path.suffix.lower() == ".tflite" and head[4:8] != b"TFL3":
        raise ModelError(
            f"model file {path} is not a TensorFlow Lite model: get or convert it again"
        )
    # A zip, or the pickle that torch wrote before version 1.6.
    if path.suffix.lower() in (".pt", ".pth") and head[:2] not in (b"PK", b"\x80\x02"):
        raise ModelError(f"model file {path} is not a PyTorch checkpoint: get it again")
