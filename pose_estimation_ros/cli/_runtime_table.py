"""`pose_estimation models runtimes`: what each installed runtime takes with a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pose_estimation_ros.engine.execution.cpu_features import computes_int8_fast, usable_cores
from pose_estimation_ros.engine.runtimes import Cores
from pose_estimation_ros.engine.runtimes.automatic_choice import choose
from pose_estimation_ros.engine.runtimes.measurement import Measurement, measure_apart
from pose_estimation_ros.engine.runtimes.registry import installed_for
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo.manifest import embedded_int8, fetch_command, packaged_manifest

_GIVE_UP_S = 60.0  # nobody waits for a robot here


def measure_runtimes(paths: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """By file: for each installed runtime its figures, or `problem`; `auto` is the one it takes.

    Without paths the embedded models, as this processor uses them; all cores for one run.

    Raises:
        ModelError: a file is absent, or no installed runtime reads it.
    """
    cores = Cores(usable_cores())
    tables = {}
    for path in paths or _embedded():
        if not path.is_file():
            entry = packaged_manifest().find(path.name)
            how = f"run: {fetch_command(entry.name)}" if entry else "check the path"
            raise ModelError(f"{path} is not on this machine: {how}")
        installed = installed_for(path)
        if not installed:
            raise ModelError(f"no installed runtime reads {path}: see pose_estimation doctor")
        chosen = choose(path, installed, cores, "f32")
        rows = []
        for name in installed:
            result = measure_apart(path, name, cores, "f32", _GIVE_UP_S)
            figures = asdict(result) if isinstance(result, Measurement) else {"problem": result}
            rows.append({"runtime": name, "auto": name == chosen, **figures})
        tables[str(path)] = rows
    return tables


def _embedded() -> list[Path]:
    paths = []
    for task in ("detector", "pose"):
        entry = packaged_manifest().default(task)
        quick = embedded_int8(task) if computes_int8_fast() else None
        if entry is not None:
            paths.append(quick or entry.path)
    return paths


def runtime_table(tables: dict[str, list[dict[str, Any]]]) -> str:
    """Formats the figures as text."""
    lines = []
    for file, rows in tables.items():
        lines.append(
            f"{Path(file).name + ':':<40}{'ms a run':>10}{'s to start':>12}{'MB more':>10}"
        )
        for row in rows:
            name = "  " + row["runtime"] + (" (auto takes it)" if row["auto"] else "")
            if "problem" in row:
                lines.append(f"{name:<40}  {row['problem']}")
            else:
                lines.append(
                    f"{name:<40}{row['run_ms']:>10.1f}{row['start_s']:>12.1f}"
                    f"{row['memory_mb']:>10.0f}"
                )
    if any(len(rows) > 1 for rows in tables.values()):
        lines.append("Another one: runtime:=NAME at launch, --runtime NAME on the command line.")
    return "\n".join(lines)
