"""Measures how the answering of a recording grows with workers, and draws it.

    scripts/with_env --with bench --with cluster python scripts/measure_scale.py CLIP OUT.png

The clip is given several times, as so many recordings, to a cluster on this machine: with one
worker of one core, with two, and so on. Prints a row for each.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from pose_estimation_ros.engine.execution.cpu_features import usable_cores

COPIES = 4


def measure(clip: Path, workers: int) -> tuple[float, float]:
    """Images a second, and the memory of the largest worker in MB."""
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / f"{number}{clip.suffix}" for number in range(COPIES)]
        for copy in copies:
            copy.symlink_to(clip.resolve())
        command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "video"]
        command += [*map(str, copies), "--json", f"{folder}/out", "--cluster", "local"]
        command += ["--workers", str(workers), "--segment", "100"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        largest = [0.0]
        watch = threading.Thread(target=_watch, args=(process, largest), daemon=True)
        watch.start()
        said, _ = process.communicate()
        if process.returncode:
            sys.exit(f"the run with {workers} workers failed")
    found = re.search(r"([0-9.]+) images/s", said)
    assert found, said
    return float(found[1]), largest[0]


def _watch(process: subprocess.Popen[str], largest: list[float]) -> None:
    while process.poll() is None:
        for child in psutil.process_iter(["name", "memory_info"]):
            name, memory = child.info["name"] or "", child.info["memory_info"]
            if name.startswith("ray::Worker") and memory:
                largest[0] = max(largest[0], memory.rss / 1e6)
        threading.Event().wait(0.5)


def main() -> None:
    clip, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows = [(count, *measure(clip, count)) for count in range(1, usable_cores() + 1)]
    for count, rate, memory in rows:
        print(
            f"{count} workers: {rate:.1f} images/s, {rate / rows[0][1]:.2f} times, {memory:.0f} MB"
        )
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3), dpi=110)
    counts = [row[0] for row in rows]
    axes.plot(counts, [row[1] for row in rows], "o-", label="measured")
    axes.plot(counts, [count * rows[0][1] for count in counts], "--", color="0.6", label="ideal")
    axes.set(xlabel="workers of one core", ylabel="images/s", xticks=counts, ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(out, bbox_inches="tight")


if __name__ == "__main__":
    main()
