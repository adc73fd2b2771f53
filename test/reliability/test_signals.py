"""Signals: to the node, to its camera, to worker processes."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from processes import Process, node_executable, open_rig, segments
from replay import write_bag
from rows import Row, full_or, row
from stage import Stage, Watcher, open_stage, start, wait_for

AREA = "Signals"

STOP = row(
    AREA,
    "SIGSTOP for 10 s, then SIGCONT, while images come",
    "diagnostics within 2 s of SIGCONT; at most 3 images of before it answered late; "
    "received = answered + dropped by reason",
    "signals::a_node_that_was_stopped_goes_on",
)
KILL = row(
    AREA,
    "the node is killed (SIGKILL) and started again under the same name, while its camera runs on",
    "the new one answers that camera's images within 20 s; where the camera's Fast DDS goes on "
    "writing into the shared memory of the dead one (one time in four at most), it says that "
    "images get lost, and answers a camera that starts anew",
    "signals::a_killed_node_starts_again",
)


def test_a_node_that_was_stopped_goes_on(
    name: str, tmp_path: Path, scene_frames: list[np.ndarray]
) -> None:
    pause_s = full_or(10, 3)
    with open_stage(name, tmp_path, scene_frames) as stage:
        stage.good()
        os.kill(stage.node.pid, signal.SIGSTOP)
        end = time.monotonic() + pause_s
        index = 0
        while time.monotonic() < end:
            stage.camera.publish(stage.image(index))
            index += 1
            time.sleep(0.05)
        answered = len(stage.poses)
        heard = len(stage.watcher.heard_s)
        os.kill(stage.node.pid, signal.SIGCONT)
        with stage.never_silent() as silence:
            first_s = wait_for(lambda: len(stage.watcher.heard_s) > heard, 10, "no diagnostics")
            time.sleep(1.0)
            late = len(stage.poses) - answered
            assert late <= 3, "old images were queued"
            stage.good()
        accounted = _accounted(stage)
    STOP.saw(
        f"{pause_s} s: diagnostics {first_s:.1f} s after SIGCONT, {late} late answers to the "
        f"{index} images sent meanwhile; {accounted}; {silence()}"
    )


def _accounted(stage: Stage) -> str:
    time.sleep(1.0)
    values = stage.watcher.fresh_status()
    dropped = sum(int(v) for key, v in values.items() if key.startswith("dropped: "))
    received, answered = int(values["received"]), int(values["answered"])
    assert received == answered + dropped, values
    return f"{received} received = {answered} answered + {dropped} dropped"


def test_a_killed_node_starts_again(name: str, tmp_path: Path) -> None:
    times = full_or(12, 2)
    took: list[float] = []
    deaf = 0
    with open_rig(name, tmp_path) as rig:
        watcher = Watcher(rig.namespace)
        words = ("--seconds", "100000", "--prepared", "--size", "640x480")
        camera = rig.start_camera(*words)
        try:
            for index in range(times + 1):
                began_s = time.time()
                node = start(rig, pipeline="v4", runtime="onnxruntime")
                if _is_answered(watcher, began_s, 20 if index else 40):
                    took.append(time.time() - began_s)
                else:
                    deaf += 1
                    assert "get lost on the way" in watcher.fresh_status()["message"], node.output
                    camera.interrupt()
                    camera = rig.start_camera(*words)
                    assert _is_answered(watcher, time.time(), 40), node.output
                time.sleep(0.1 * (index % 4))  # at another moment of its work each time
                os.kill(node.pid, signal.SIGKILL)
                node.wait(10)
        finally:
            watcher.close()
        assert camera.running, camera.output
    assert deaf <= 1 + times // 4, took
    KILL.saw(
        f"{len(took) - 1} of {times} times, after {max(took[1:], default=0):.1f} s at the latest; "
        f"{deaf} times only a new camera was heard"
    )


def _is_answered(watcher: Watcher, since_s: float, within_s: float) -> bool:
    """Whether some images that were taken after a moment (time.time) are answered in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if _answers_since(watcher, since_s) > 5:
            return True
        time.sleep(0.02)
    return False


def _answers_since(watcher: Watcher, moment_s: float) -> int:
    """How many images that were taken after a moment (time.time) have been answered."""
    stamps = [pose.header.stamp for pose in watcher.poses[""][-20:]]
    return sum(stamp.sec + stamp.nanosec * 1e-9 > moment_s for stamp in stamps)


def end(name: str, number: signal.Signals) -> tuple[Row, signal.Signals]:
    entry = row(
        AREA,
        f"{name} at any moment, images coming",
        "exit code 0 within 3 s, no traceback, nothing left behind in shared memory",
        "signals::clean_shutdown",
    )
    return entry, number


ENDS = [end("SIGINT", signal.SIGINT), end("SIGTERM", signal.SIGTERM)]


@pytest.mark.parametrize("case", ENDS, ids=lambda case: case[0].fault.split()[0])
def test_clean_shutdown(name: str, tmp_path: Path, case: tuple[Row, signal.Signals]) -> None:
    entry, number = case
    times = full_or(100, 3)
    dice = random.Random(int(number))
    took: list[float] = []
    mapped: set[Path] = set()
    # Of processes that were killed earlier; whoever takes over their ports maps them as well.
    old = set(Path("/dev/shm").glob("fastrtps_*"))

    def one(index: int) -> None:
        log = tmp_path / f"{index}.log"
        words = [node_executable(), "--ros-args", "-r", f"__ns:=/{name}"]
        node = Process([*words, "-p", "runtime:=onnxruntime", "-p", "pipeline:=v4"], log)
        wait_for(lambda: _catches(node.pid, signal.SIGTERM), 30, "the script does not start")
        time.sleep(2.2 * dice.random())
        mapped.update(segments(node.pid))
        began = time.monotonic()
        os.kill(node.pid, number)
        try:
            code = node.wait(20)
        finally:
            node.kill()
        took.append(time.monotonic() - began)
        assert code == 0, (index, code, node.output)
        assert "Traceback" not in node.output, node.output

    with open_rig(name, tmp_path) as rig:
        camera = rig.start_camera("--seconds", "100000", "--size", "640x480")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, range(times)))
        assert camera.running, camera.output
    alive = set().union(*(segments(process.pid) for process in psutil.process_iter()))
    left = {segment for segment in mapped - alive - old if segment.exists()}
    assert not left, left
    # On a machine that does other things everything takes longer.
    assert max(took) < full_or(3, 10), sorted(took)[-5:]
    entry.saw(
        f"{times} of {times} ended with 0, the slowest after {max(took):.1f} s; "
        f"{len(mapped)} segments seen, {len(left)} left"
    )


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal: Python itself has none for SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(mask, 16) >> (number - 1) & 1)


WORKER = row(
    AREA,
    "SIGKILL of a worker process of `pose_estimation bag --jobs 2`",
    "the other bag is whole; exit code 1 and one line that names the bag and the signal",
    "signals::a_killed_worker_costs_its_own_bag",
)


def test_a_killed_worker_costs_its_own_bag(
    name: str, tmp_path: Path, scene_frames: list[np.ndarray]
) -> None:
    bags = tmp_path / "bags"
    bags.mkdir()
    write_bag(bags / "short", scene_frames[:4], 30)
    write_bag(bags / "victim", scene_frames * full_or(40, 20), 30)
    words = [sys.executable, "-m", "pose_estimation_ros.cli.main", "bag", str(bags)]
    run = Process([*words, str(tmp_path / "out"), "--jobs", "2"], tmp_path / "bag.log")
    parent = psutil.Process(run.pid)

    def victim() -> psutil.Process | None:
        for child in parent.children():
            if any("victim" in word for word in child.cmdline()):
                return child
        return None

    wait_for(lambda: victim() is not None, 30, "no worker")
    wait_for(lambda: (tmp_path / "out" / "victim.partial").is_dir(), 60, "it wrote nothing")
    child = victim()
    assert child is not None, run.output
    child.kill()
    assert run.wait(120) == 1, run.output
    assert (tmp_path / "out" / "short" / "metadata.yaml").is_file()
    assert not (tmp_path / "out" / "victim").exists()
    lines = [line for line in run.output.splitlines() if "SIGKILL" in line]
    assert len(lines) == 1 and "victim" in lines[0], run.output
    WORKER.saw("the other bag whole, “… its process was ended by SIGKILL …”, exit code 1")
