"""The benchmark measures what it says; nothing here depends on how fast this machine is."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pose_estimation_ros.cli.bench.engine import prepared_frames
from pose_estimation_ros.cli.bench.mediapipe import alternate
from pose_estimation_ros.cli.main import main


def _bench(*arguments: object) -> str:
    command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "bench"]
    run = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_engines_figures(tmp_path: Path) -> None:
    figures, picture = tmp_path / "bench.json", tmp_path / "bench.png"
    small = ("--persons", 1, 3, "--size", "480x360", "--seconds", 0.5, "--runtime", "onnxruntime")
    said = _bench(*small, "--no-node", "--json", figures, "--picture", picture)
    report = json.loads(figures.read_text())
    assert report["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert report["machine"]["cpu"] in said
    assert [(r["pipeline"], r["persons"]) for r in report["engine"]] == [
        *(("v3", 1), ("v4", 1), ("v4", 3)),
    ]
    for row in report["engine"]:
        latency = row["latency_ms"]
        assert row["persons_found"] == pytest.approx(row["persons"], abs=0.5)
        assert 0 < latency["pose"]["p50"] <= latency["total"]["p50"] <= latency["total"]["max"]
        assert row["networks_ms"] > 0
        assert row["rss_mb"] > 50 and row["cold_start_s"] > 0 and row["cpu_s_per_frame"] > 0
    one, three = (row["latency_ms"]["total"]["p50"] for row in report["engine"][1:])
    (summary,) = report["summary"]
    assert summary["ms_per_person"] == pytest.approx((three - one) / 2)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_nodes_figures() -> None:
    from pose_estimation_ros.cli.bench.node import NodeBench, bare_node_rss_mb

    bare = bare_node_rss_mb((320, 240))
    with NodeBench("v3", 1, (320, 240), "onnxruntime") as bench:
        run = bench.play(5.0, 2.0)
        peak, at_peak = bench.peak_rate(1.0, highest=3.0)
        answered = [bench.answer(frame) for frame in prepared_frames(1, (320, 240))[:5]]
    assert run["sent"] == 10 and 0 < run["answered"] <= 10  # how many is the machine's affair
    assert run["persons_found"] == 1
    assert 20 < bare < run["rss_mb"]
    assert 1.0 <= peak <= 3.0 and at_peak["answered"] > 0
    kept = [answer for answer in answered if answer is not None]
    assert len(kept) >= 4 and all(ms > 0 and found for ms, found in kept)


def test_both_get_the_same_frames_in_turn() -> None:
    """The bookkeeping alone: MediaPipe itself is installed by those who ask for it."""
    turns: list[tuple[str, int]] = []

    def ours(index: int) -> tuple[float, bool] | None:
        turns.append(("ours", index))
        return None if index == 2 else (4.0, True)  # one gets lost each time

    def theirs(index: int) -> tuple[float, bool]:
        turns.append(("theirs", index))
        return 10.0, index != 0

    report = alternate(ours, theirs, frames=4, seconds=0.0)
    assert turns[:4] == [("ours", 0), ("theirs", 0), ("ours", 1), ("theirs", 1)]
    assert len(turns) == 80
    assert report["ours"]["frames"] == 15 and report["mediapipe"]["frames"] == 20
    assert report["ours"]["found"] == 1 and report["mediapipe"]["found"] == 0.75
    assert report["ratio_p50"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--persons", "0"), "--persons: 0 is below 1"),
        (("--seconds", "-1"), "--seconds: -1 is not above 0"),
        (("--runtime", "abacus"), "--runtime: 'abacus' is unknown"),
    ],
)
def test_what_cannot_be_measured_is_said_first(wrong: tuple[str, str], said: str) -> None:
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        assert main(["bench", "--no-node", *wrong]) == 1
    assert said in stderr.getvalue()
