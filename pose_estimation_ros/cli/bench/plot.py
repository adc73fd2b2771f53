"""Plots benchmark latency over the number of persons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pose_estimation_ros.errors import InputError


def draw(report: dict[str, Any], path: Path) -> None:
    """Plots V4's p50 and p95 over the number of persons, one line per runtime.

    Raises:
        InputError: matplotlib is not installed, or the file cannot be written.
    """
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError as error:
        raise InputError("the picture needs matplotlib: pip install matplotlib") from error
    figure, axes = pyplot.subplots(figsize=(7.5, 4.5), layout="constrained")
    rows = [row for row in report["engine"] if row["pipeline"] == "v4"]
    first = tuple(rows[0]["size"]) if rows else (0, 0)
    for runtime in dict.fromkeys(row["runtime"] for row in rows):
        mine = [r for r in rows if r["runtime"] == runtime and tuple(r["size"]) == first]
        persons = [row["persons"] for row in mine]
        totals = [row["latency_ms"]["total"] for row in mine]
        (line,) = axes.plot(persons, [t["p50"] for t in totals], "o-", label=f"{runtime}, p50")
        high = [t["p95"] for t in totals]
        axes.plot(persons, high, ":", color=line.get_color(), label=f"{runtime}, p95")
    machine = report["machine"]
    axes.set_title(
        f"V4, {first[0]}x{first[1]}, {machine['cores']} cores of {machine['cpu']}", fontsize=10
    )
    axes.set_xlabel("persons in the image")
    axes.set_ylabel("latency of a frame (ms)")
    axes.set_xticks(sorted({int(row["persons"]) for row in rows}))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror}") from error
    finally:
        pyplot.close(figure)
