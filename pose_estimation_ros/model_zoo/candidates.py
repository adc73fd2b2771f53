"""The rungs of a chain of models: for each model that is asked for, every way to run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from pose_estimation_ros.engine.execution.fallback_chain import Rung
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo.manifest import (
    fetch_command,
    packaged_manifest,
    resolve_model,
    source_of,
)
from pose_estimation_ros.model_zoo.user_folder import converted_home

T = TypeVar("T")

_CHECKPOINTS = (".pth", ".pt")


def task_of(name: str) -> str:
    """What a model is for: by the manifest, else a .pth estimates poses, all others detect."""
    entry = packaged_manifest().find(name)
    if entry is not None:
        return entry.task
    path = resolve_model(name)
    source = source_of(path) or path
    return "pose" if source.suffix.lower() == ".pth" else "detector"


def ladder(
    task: str, names: list[str], load: Callable[[Path], T], int8: bool = False
) -> list[Rung[T]]:
    """The named models in order, then the embedded one; empty names are left out.

    With `int8`, the embedded model is tried in its int8 version first, where it has one.
    A model that was, or can be, converted from a PyTorch checkpoint has up to three rungs: the
    file itself, one converted from the checkpoint now, and the checkpoint through PyTorch.
    """
    embedded = packaged_manifest().default(task)
    wanted = [name for name in names if name]
    if embedded is not None:
        wanted += ([embedded.int8] if int8 and embedded.int8 else []) + [embedded.name]
    rungs: dict[str, Rung[T]] = {}
    for name in dict.fromkeys(wanted):
        for rung in _ways(name, resolve_model(name), load):
            rungs.setdefault(rung.name, rung)
    return list(rungs.values())


def _ways(name: str, path: Path, load: Callable[[Path], T]) -> Iterator[Rung[T]]:
    if path.suffix.lower() in _CHECKPOINTS:
        source: Path | None = path
        beside = path.with_suffix(".onnx")
        if beside.is_file():
            yield Rung(str(beside.name), partial(_load_current, beside, path, load))
    else:
        source = source_of(path)
        yield Rung(name, partial(_load_known, name, path, load))
    if source is None:
        return
    label = f"{source.name} converted to .onnx"
    # Whether it was converted before shows only when it is loaded, so it counts as slow.
    yield Rung(label, partial(_load_converted, source, load), slow=True)
    through = f"{source.name} through PyTorch"
    yield Rung(through, partial(_load_known, name, source, load), slow=True)


def _load_known(name: str, path: Path, load: Callable[[Path], T]) -> T:
    entry = packaged_manifest().find(name)
    if not path.is_file() and entry is not None and not entry.embedded:
        raise ModelError(f"it is not on this machine: run: {fetch_command(entry.name)}")
    return load(path)


def _load_current(path: Path, source: Path, load: Callable[[Path], T]) -> T:
    from pose_estimation_ros.model_zoo.provenance import read_records, sha256_of

    record = read_records(path.parent).get(path.name)
    if record and source.is_file() and record.get("source_sha256") != sha256_of(source):
        raise ModelError(
            f"{path} was converted from another {source.name}: run: "
            f"pose_estimation models convert {source}"
        )
    return load(path)


def _load_converted(source: Path, load: Callable[[Path], T]) -> T:
    """Converts into the user's folder, never over a file of the user's own; once a source."""
    from pose_estimation_ros.model_zoo.conversion.convert import convert
    from pose_estimation_ros.model_zoo.provenance import sha256_of

    if not source.is_file():
        raise ModelError(f"model file {source} does not exist: check the path")
    target = converted_home() / f"{source.stem}-{sha256_of(source)[:8]}.onnx"
    convert(source, target)
    return load(target)
