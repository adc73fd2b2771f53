"""Shared memory of processes that were killed is found, and that of those that live is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import segments

from pose_estimation_ros.cli import doctor
from pose_estimation_ros.ros.dds import shared_memory

_PARTICIPANT = """
import time, rclpy
rclpy.init()
node = rclpy.create_node("participant")
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(
    "fastrtps" not in os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"),
    reason="another middleware was asked for",
)
def test_what_a_killed_process_left_is_found_and_removed() -> None:
    command = [sys.executable, "-c", _PARTICIPANT]
    # In domains of their own, so that neither opens the other's segment.
    killed, alive = (
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"ROS_DOMAIN_ID": domain}
        )
        for domain in ("96", "97")
    )
    try:
        for process in (killed, alive):
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        gone, living = segments(killed.pid), segments(alive.pid)
        assert gone and living and not gone & living
        assert not set(shared_memory.abandoned()) & (gone | living), "both are alive"
        killed.kill()
        killed.wait()
        deadline = time.monotonic() + 5
        while not gone <= set(shared_memory.abandoned()):
            assert time.monotonic() < deadline, "not found"
            time.sleep(0.05)
        finding = doctor._shared_memory()
        assert finding.level == "note" and "doctor --clean" in finding.text
        assert shared_memory.remove(sorted(gone)) == []
        assert not any(path.exists() for path in gone)
        assert all(path.exists() for path in living)
        assert alive.poll() is None
    finally:
        for process in (killed, alive):
            process.kill()
            process.wait()
    shared_memory.remove(sorted(living))


def test_a_process_can_remove_its_own_before_it_ends_at_once() -> None:
    script = (
        "import os, rclpy\n"
        "from pose_estimation_ros.ros.dds import shared_memory\n"
        "rclpy.init()\n"
        "node = rclpy.create_node('participant')\n"
        "own = shared_memory.own()\n"
        "print(*own, flush=True)\n"
        "assert own and all(path.exists() for path in own)\n"
        "assert shared_memory.remove(own) == []\n"
        "os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    paths = [Path(word) for word in done.stdout.split()]
    assert paths and not any(path.exists() for path in paths)


def test_a_segment_without_a_lock_and_other_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("fastrtps_0123456789abcdef", "sem.fastrtps_port7411_mutex", "other_el"):
        (tmp_path / name).write_bytes(b"x")
    assert shared_memory.abandoned(tmp_path) == []
    (tmp_path / "fastrtps_0123456789abcdef_el").write_bytes(b"")
    assert shared_memory.abandoned(tmp_path) == [tmp_path / "fastrtps_0123456789abcdef"]


def test_too_little_shared_memory_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "abandoned", lambda: [])
    monkeypatch.setattr(shared_memory, "total_bytes", lambda: 64 * 2**20)
    finding = doctor._shared_memory()
    assert finding.level == "note" and "--shm-size" in finding.text
