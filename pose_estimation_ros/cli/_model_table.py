"""`pose_estimation models list` and `bench`: what is known of every model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pose_estimation_ros.engine.skeletons import SKELETONS
from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.model_zoo.manifest import Manifest, ModelEntry, fetch_command
from pose_estimation_ros.model_zoo.measured_times import measure, measured_ms

_COLUMNS = ("name", "task", "joints", "size", "licence", "ms here", "published accuracy (source)")


def rows_of(manifest: Manifest) -> list[dict[str, Any]]:
    """Everything about every model, for JSON."""
    times = measured_ms()
    entries = manifest.entries.values()
    return [row_of(entry) | {"measured_ms": times.get(entry.name)} for entry in entries]


def row_of(entry: ModelEntry) -> dict[str, Any]:
    """What the manifest and the disk say of a model."""
    here = entry.path.is_file()
    skeleton = SKELETONS.get(entry.skeleton)
    return {
        "name": entry.name,
        "task": entry.task,
        "file": str(entry.path),
        "here": here,
        "licence": entry.licence,
        "default": entry.default,
        "skeleton": entry.skeleton,
        "joints": len(skeleton.joints) if skeleton else 0,
        "input": entry.input,
        "accuracy": entry.accuracy,
        "url": entry.url or entry.page,
        "size": entry.path.stat().st_size if here else entry.size,
        "description": entry.description,
    }


def table(manifest: Manifest) -> str:
    """The models in columns, and the sets."""
    lines = [_COLUMNS, *(_cells(row) for row in rows_of(manifest))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    texts = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    for name, models in manifest.sets.items():
        missing = any(not entry.path.is_file() for entry in models)
        how = f" (not here: {fetch_command(name)})" if missing else ""
        texts.append(f"set {name}: {', '.join(entry.name for entry in models)}{how}")
    return "\n".join(texts)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    size = f"{row['size'] / 1e6:.1f} MB" if row["size"] else "not here"
    if row["size"] and not row["here"]:
        size += " to fetch"
    name = row["name"] + (" (default)" if row["default"] else "")
    ms = f"{row['measured_ms']:.1f}" if row["measured_ms"] else ""
    joints = str(row["joints"] or "")
    return (name, row["task"], joints, size, row["licence"], ms, row["accuracy"])


def bench(chosen: Sequence[ModelEntry]) -> int:
    """Measures models and prints what each takes; returns the exit code."""
    failed = 0
    for entry in chosen:
        try:
            ms, runtime = measure(entry)
            what = "a person's crop" if entry.task == "pose" else "an image of 1280x720"
            print(f"{entry.name}: {ms:.1f} ms for {what} ({runtime})", flush=True)
        except PoseEstimationError as error:
            failed += 1
            print(f"{entry.name}: {error}", flush=True)
    return 1 if failed else 0
