"""The candidates of a fallback chain: for each model that is asked for, every way to load it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo.manifest import (
    fetch_command,
    packaged_manifest,
    resolve_model,
    source_of,
)
from pose_estimation_ros.model_zoo.user_folder import conversions_folder

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_CHECKPOINTS = (".pth", ".pt")


class LoadFile(Protocol[T_co]):
    """Loads a model file; `urgent` as for `Candidate.load`."""

    def __call__(self, path: Path, *, urgent: bool) -> T_co: ...


def task_of(name: str) -> str:
    """A model's task by the manifest; else a .pth estimates poses and all others detect."""
    entry = packaged_manifest().find(name)
    if entry is not None:
        return entry.task
    path = resolve_model(name)
    source = source_of(path) or path
    return "pose" if source.suffix.lower() == ".pth" else "detector"


def candidates_for(
    task: str, names: Sequence[str], load: LoadFile[T], int8: bool = False
) -> list[Candidate[T]]:
    """Candidates for the named models in order, then the embedded one; empty names are left out.

    The first of the names is the model asked for; where there is none, the embedded one is.
    With `int8`, the embedded model comes in its int8 version first, where it has one. A model
    that was, or can be, converted from a PyTorch checkpoint has up to three candidates: the file
    itself, a conversion made when it is loaded, and the checkpoint through PyTorch.
    """
    embedded = packaged_manifest().default(task)
    wanted = [name for name in names if name]
    if embedded is not None:
        wanted += ([embedded.int8] if int8 and embedded.int8 else []) + [embedded.name]
    asked = next((name for name in names if name), "")
    found: dict[str, Candidate[T]] = {}
    for name in dict.fromkeys(wanted):
        for candidate in _candidates_of(name, resolve_model(name), load):
            is_asked = name == asked or not asked
            found.setdefault(candidate.name, replace(candidate, asked=is_asked))
    return list(found.values())


def _candidates_of(name: str, path: Path, load: LoadFile[T]) -> Iterator[Candidate[T]]:
    if path.suffix.lower() in _CHECKPOINTS:
        source: Path | None = path
        beside = path.with_suffix(".onnx")
        if beside.is_file():
            yield Candidate(beside.name, partial(_load_current, beside, path, load))
    else:
        source = source_of(path)
        yield Candidate(name, partial(_load_known, name, path, load))
    if source is None:
        return
    converted = f"{source.name} converted to .onnx"
    # Whether it was converted before shows only when it is loaded, so it counts as slow.
    yield Candidate(converted, partial(_load_converted, source, load), slow=True)
    through = f"{source.name} through PyTorch"
    yield Candidate(through, partial(_load_known, name, source, load), slow=True)


def _load_known(name: str, path: Path, load: LoadFile[T], *, urgent: bool) -> T:
    entry = packaged_manifest().find(name)
    if not path.is_file() and entry is not None and not entry.embedded:
        raise ModelError(f"it is not on this machine: run: {fetch_command(entry.name)}")
    if entry is not None and entry.in_package and path == entry.path:
        entry.verify()  # the package may be of another version
    return load(path, urgent=urgent)


def _load_current(path: Path, source: Path, load: LoadFile[T], *, urgent: bool) -> T:
    from pose_estimation_ros.model_zoo.provenance import read_provenance, sha256_of

    record = read_provenance(path.parent).get(path.name)
    if record and source.is_file() and record.get("source_sha256") != sha256_of(source):
        raise ModelError(
            f"{path} was converted from another {source.name}: run: "
            f"pose_estimation models convert {source}"
        )
    return load(path, urgent=urgent)


def _load_converted(source: Path, load: LoadFile[T], *, urgent: bool) -> T:
    """Loads a conversion of the checkpoint, made once, in the user's folder of models."""
    from pose_estimation_ros.model_zoo.conversion.convert import convert
    from pose_estimation_ros.model_zoo.provenance import sha256_of

    if not source.is_file():
        raise ModelError(f"model file {source} does not exist: check the path")
    target = conversions_folder() / f"{source.stem}-{sha256_of(source)[:8]}.onnx"
    convert(source, target)
    return load(target, urgent=urgent)
