"""Exports PyTorch networks to .onnx and .tflite.

torch, onnx and litert-torch are imported where they are used: running a converted model needs none
of them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose_estimation_ros.errors import ConfigError, RuntimeMissingError

if TYPE_CHECKING:
    from pose_estimation_ros.engine.networks.checkpoints import Checkpoint

OPSET = 17
DETECTOR_SIDE = 640  # px; of a .tflite detector, whose size is fixed
_TRACE_SIDE = 320
_TOOLS = ("torch", "onnx", "onnxruntime", "ultralytics", "litert-torch")


def load_source(source: Path) -> Checkpoint:
    """The network of a checkpoint.

    Raises:
        ModelError: the file holds no known network.
        RuntimeMissingError: PyTorch, or ultralytics for a .pt, is not installed.
    """
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        raise RuntimeMissingError(
            f"converting {source} needs PyTorch, which is not usable here ({error}): "
            "pip install torch"
        ) from error
    from pose_estimation_ros.engine.networks.checkpoints import load_module

    return load_module(source)


def writer_for(target: Path) -> Callable[[Checkpoint, Path], None]:
    """The exporter to a file's format, by its suffix.

    Raises:
        ConfigError: there is none.
        RuntimeMissingError: the library that it needs is not installed.
    """
    needs: dict[str, tuple[Callable[[Checkpoint, Path], None], str, str]] = {
        ".onnx": (_write_onnx, "onnx", "onnx"),
        ".tflite": (_write_tflite, "litert_torch", "litert-torch"),
    }
    if target.suffix.lower() not in needs:
        raise ConfigError(f"cannot convert to '{target.name}': expected .onnx or .tflite")
    write, module, package = needs[target.suffix.lower()]
    if importlib.util.find_spec(module) is None:
        raise RuntimeMissingError(
            f"converting to {target.suffix} needs {package}, which is not installed: "
            f"pip install {package}"
        )
    return write


def _sample(checkpoint: Checkpoint, side: int) -> Any:
    import torch

    sizes = [
        size or (1 if axis == 0 else side) for axis, size in enumerate(checkpoint.input_shape)
    ]
    dtype = torch.uint8 if checkpoint.input_dtype == "uint8" else torch.float32
    return torch.zeros(sizes, dtype=dtype)


def _write_onnx(checkpoint: Checkpoint, path: Path) -> None:
    import onnx
    import torch

    names = {0: "n", 2: "h", 3: "w"}
    free = {axis: names[axis] for axis, size in enumerate(checkpoint.input_shape) if size is None}
    dynamic = {"image": free, **{name: {0: "n"} for name in checkpoint.output_names}}
    if len(free) > 1:
        dynamic[checkpoint.output_names[0]][2] = "cells"
    _keep_anchors_dynamic(checkpoint.module)
    with torch.no_grad():
        torch.onnx.export(
            checkpoint.module.eval(),
            (_sample(checkpoint, _TRACE_SIDE),),
            str(path),
            input_names=["image"],
            output_names=checkpoint.output_names,
            dynamic_axes=dynamic,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, checkpoint.metadata)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _keep_anchors_dynamic(module: Any) -> None:
    """Makes a YOLO head compute its anchors in the graph rather than freeze those of one size."""
    for part in _heads(module):
        part.export, part.format, part.dynamic = True, "onnx", True


def _heads(module: Any) -> list[Any]:
    from pose_estimation_ros.engine.networks.checkpoints import HEADS

    return [part for part in module.modules() if type(part).__name__ in HEADS]


def _write_tflite(checkpoint: Checkpoint, path: Path) -> None:
    # The converter fills the terminal with its own progress and its libraries' warnings.
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            import litert_torch

            # Interpreters of TensorFlow Lite are made for a fixed size, batch 1.
            sample = _sample(checkpoint, DETECTOR_SIDE)
            for part in _heads(checkpoint.module):
                part.export, part.format = True, "onnx"  # boxes in pixels, as PyTorch's
            litert_torch.convert(checkpoint.module.eval(), (sample,)).export(str(path))
    finally:
        logging.disable(logging.NOTSET)


def tool_versions() -> dict[str, str]:
    """Versions of the installed libraries that convert."""
    versions = {}
    for name in _TOOLS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
