"""Conversion of PyTorch checkpoints to .onnx and .tflite, each checked against its source."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pose_estimation_ros.engine.runtimes.runtime import check_file
from pose_estimation_ros.errors import ConfigError, ModelError
from pose_estimation_ros.io.atomic_file import atomic_write, check_disk_space
from pose_estimation_ros.model_zoo.conversion.exporters import (
    load_source,
    tool_versions,
    writer_for,
)
from pose_estimation_ros.model_zoo.conversion.parity import largest_relative_error
from pose_estimation_ros.model_zoo.provenance import read_provenance, sha256_of, write_provenance

_log = logging.getLogger(__name__)

FORMATS = ("onnx", "tflite")
MAX_RELATIVE_ERROR = 1e-3


@dataclass(frozen=True, slots=True)
class Conversion:
    """A finished conversion.

    `error` is the largest relative error of any output, NaN for int8, where `loss` is the accuracy
    lost (see quantize.py).
    """

    path: Path
    source: Path
    error: float
    loss: float = float("nan")
    skipped: bool = False


def targets_of(source: Path, formats: Sequence[str] = ()) -> list[Path]:
    """The files, beside a checkpoint, that it is converted to by default.

    Raises:
        ConfigError: an unknown format.
    """
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"cannot convert to '{name}': choose of {', '.join(FORMATS)}")
    chosen = formats or (FORMATS if source.suffix.lower() == ".pth" else ("onnx",))
    return [source.with_suffix(f".{name}") for name in chosen]


def is_current(target: Path, source: Path) -> bool:
    """Whether `target` was converted from this very source, by its record."""
    if not target.is_file():
        return False
    record = read_provenance(target.parent).get(target.name, {})
    return record.get("source_sha256") == sha256_of(source)


def convert(source: Path, target: Path, force: bool = False) -> Conversion:
    """Converts a checkpoint; `target` appears complete, checked and recorded, or not at all.

    Raises:
        ModelError: the source is not a known model, the folder cannot be written, or the result
            differs from its source by more than MAX_RELATIVE_ERROR.
        RuntimeMissingError: a library that converts is not installed.
    """
    check_file(source)
    if not force and is_current(target, source):
        error = float(read_provenance(target.parent)[target.name].get("max_relative_error", 0.0))
        return Conversion(target, source, error, skipped=True)
    write = writer_for(target)
    check_disk_space(target, 2 * source.stat().st_size)  # before work that takes seconds
    checkpoint = load_source(source)
    _log.info("converting %s to %s", source, target)
    with atomic_write(target) as temporary:
        try:
            write(checkpoint, temporary)
        except (ModelError, OSError):
            raise
        except Exception as error:  # exporters may throw anything
            reason = " ".join(str(error).split())[:300]
            raise ModelError(
                f"{source} cannot be converted to {target.suffix}: "
                f"{type(error).__name__}: {reason}"
            ) from error
        worst = largest_relative_error(source, temporary)
        if not worst <= MAX_RELATIVE_ERROR:  # also where it is not a number
            raise ModelError(
                f"{target.name} differs from {source.name} by {worst:.1e} of the largest output, "
                f"more than {MAX_RELATIVE_ERROR:.0e}: it was not kept; use {source.name} itself"
            )
    write_provenance(
        target,
        source=source.name,
        source_sha256=sha256_of(source),
        max_relative_error=float(f"{worst:.3g}"),
        tools=tool_versions(),
        **checkpoint.metadata,
    )
    _log.info("converted %s to %s, largest relative error %.1e", source.name, target, worst)
    return Conversion(target, source, worst)
