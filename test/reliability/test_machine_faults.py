"""The machine around the node: clock, disk, memory, network."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from node_calls import set_parameters
from paths import SUPPORT
from rows import full_or, row
from stage import Stage, open_stage, wait_for

AREA = "The machine around the node"

AHEAD = row(
    AREA,
    "the system clock jumps ahead: an hour, a day",
    "every image answered; the age of the stamps is explained",
    "machine_faults::the_system_clock_jumps",
)
BACK = row(
    AREA,
    "the system clock is set back by seconds",
    "diagnostics go on; images again once the old time is reached at the latest: until then Fast "
    "DDS may deliver nothing through shared memory, which the node explains as lost images",
    "machine_faults::the_system_clock_jumps",
)


def test_the_system_clock_jumps(
    name: str, tmp_path: Path, scene_frames: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    library, offset = tmp_path / "clock.so", tmp_path / "offset"
    command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(library)]
    subprocess.run([*command, str(SUPPORT / "clock.c"), "-ldl", "-lpthread"], check=True)
    _set(offset, 0)
    preload = ["env", f"LD_PRELOAD={library}", f"CLOCK_OFFSET={offset}", _executable()]
    with open_stage(name, tmp_path, scene_frames, command=preload) as stage:
        stage.good()
        answered, images = 0, full_or(40, 4)
        with stage.never_silent() as silence:
            for jump in (3600, 86_400):
                _set(offset, jump)
                for _ in range(images):
                    answer = stage.good()
                    answered += 1
                    assert abs(answer.times.age_at_receipt * 1e-3 - jump) < 10, jump
                wait_for(lambda: "old" in stage.watcher.status()["message"], 15, "no word")
        AHEAD.saw(f"{answered} of {answered} answered, each jump explained; {silence()}")
        back_s = full_or(20, 5)
        with stage.never_silent() as silence:
            _set(offset, 86_400 - back_s)
            start = time.monotonic()
            count = len(stage.poses)
            while len(stage.poses) < count + 3:
                assert time.monotonic() - start < back_s + 20, stage.node.output
                stage.camera.publish(stage.image())
                time.sleep(0.1)
            away_s = time.monotonic() - start
            stage.good()
        BACK.saw(f"{back_s} s back: images again after {away_s:.1f} s; {silence()}")


def _set(offset: Path, seconds: int) -> None:
    """Moves the clock; in place, since the node has the file in its memory."""
    if not offset.exists():
        offset.write_bytes(bytes(8))
    with offset.open("r+b") as file:
        file.write(struct.pack("<q", seconds))


DISK = row(
    AREA,
    "the disk is full: no file can grow, and the log cannot be written",
    "every image answered",
    "machine_faults::the_disk_is_full",
)


def test_the_disk_is_full(name: str, tmp_path: Path, scene_frames: list[np.ndarray]) -> None:
    # All that the node prints goes to a device that is always full.
    command = ["sh", "-c", 'exec "$0" "$@" >/dev/full 2>&1', _executable()]
    with open_stage(name, tmp_path, scene_frames, command=command) as stage:
        stage.good()
        # From now on no file can be made longer, shared memory included.
        resource.prlimit(stage.node.pid, resource.RLIMIT_FSIZE, (0, 0))
        images = full_or(60, 12)
        with stage.never_silent() as silence:
            for index in range(images):
                answer = stage.ask(stage.image(index)) or stage.ask(stage.image(index))
                assert answer is not None and len(answer.poses) >= 3, index
            # What it would say of a bad image cannot be said, and does no harm.
            received, dropped = stage.swallow([stage.image(encoding="klingon")])
            assert received == dropped
        DISK.saw(f"{images} of {images} answered; {silence()}")


def _executable() -> str:
    from processes import node_executable

    return node_executable()


BUDGET = row(
    AREA,
    "more memory in use than max_memory_mb allows",
    "a warning with both figures; every image answered",
    "machine_faults::the_memory_budget_is_exceeded",
)
FLOOD = row(
    AREA,
    "two publishers flood the node's topic with 1080p images, 500 Hz each as far as it goes",
    "received = answered + dropped by reason; services answer; good images answered afterwards; "
    "memory grows no more once it ends (during it Fast DDS keeps memory, as much in a bare rclpy "
    "subscriber: see SECURITY.md)",
    "machine_faults::a_flood_of_large_images",
)


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory, scene_frames: list[np.ndarray]):
    folder = tmp_path_factory.mktemp("flood")
    with open_stage("flooded", folder, scene_frames, max_memory_mb=20.0) as stage:
        yield stage


def test_the_memory_budget_is_exceeded(flooded: Stage) -> None:
    with flooded.never_silent() as silence:
        images = full_or(20, 4)
        for _ in range(images):
            flooded.good()
        status = flooded.watcher.fresh_status("process")
        assert "over 20 MB" in status["message"], status
    BUDGET.saw(f"“{status['message']}”, {images} of {images} answered; {silence()}")


def test_a_flood_of_large_images(flooded: Stage) -> None:
    seconds = full_or(15, 4)
    flooded.good()
    began, poses = flooded.watcher.fresh_status(), len(flooded.poses)
    with flooded.never_silent() as silence:
        command = [sys.executable, str(SUPPORT / "flood.py"), "500", str(seconds)]
        command += ["--ros-args", "-r", f"__ns:={flooded.namespace}"]
        floods = [flooded.rig.start(command, "flood") for _ in range(2)]
        time.sleep(seconds / 2)
        start = time.monotonic()
        assert set_parameters(flooded, confidence_threshold=0.3) == [True]
        service_s = time.monotonic() - start
        process = psutil.Process(flooded.node.pid)
        wait_for(lambda: not any(f.running for f in floods), 60, "the floods do not end")
        peak = process.memory_info().rss / 2**20
        sent = sum(int(f.output.split()[0]) for f in floods)
        rate = sum(int(f.output.split()[0]) / float(f.output.split()[1]) for f in floods)
        time.sleep(1)
        ended = flooded.watcher.fresh_status()
        # What was sent last is still on its way into the node when the floods end.
        peak = max(peak, process.memory_info().rss / 2**20)
        for _ in range(full_or(50, 5)):
            flooded.good()
        later = process.memory_info().rss / 2**20
    received, answered = (int(ended[k]) - int(began[k]) for k in ("received", "answered"))
    drops = sum(int(v) for k, v in ended.items() if k.startswith("dropped: "))
    drops -= sum(int(v) for k, v in began.items() if k.startswith("dropped: "))
    assert received == answered + drops and len(flooded.poses) - poses - full_or(50, 5) == answered
    assert later < peak + 20
    FLOOD.saw(
        f"{sent} sent at {rate:.0f} Hz in all, {received} received = {answered} answered + "
        f"{drops} replaced; a service took {service_s * 1e3:.0f} ms; {peak:.0f} MB at its end, "
        f"{later:.0f} MB later; "
        f"{silence()}"
    )
