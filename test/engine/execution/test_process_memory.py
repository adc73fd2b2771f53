"""What the memory of the process is, and what goes back to the system."""

import mmap
import subprocess
import sys

import numpy as np

from pose_estimation_ros.engine.execution.process_memory import resident_mb, return_free_memory


def test_freed_memory_goes_back_to_the_system() -> None:
    blocks = [np.ones(1_000, np.uint8) for _ in range(60_000)]
    keeper = np.ones(1_000, np.uint8)  # above them all, so that the heap's end stays
    full = resident_mb()
    del blocks
    return_free_memory()
    assert resident_mb() < full - 40
    del keeper


def test_resident_memory_sees_what_is_allocated() -> None:
    before = resident_mb()
    # Straight from the system: the heap may hold as much that is free.
    with mmap.mmap(-1, 50_000_000) as block:
        np.frombuffer(block, np.uint8)[:] = 1
        assert 40 < resident_mb() - before < 80


def test_no_arena_is_registered_before_a_session_is_opened() -> None:
    code = """
import onnxruntime
registered = []
register = onnxruntime.create_and_register_allocator
onnxruntime.create_and_register_allocator = lambda *a: (registered.append(1), register(*a))
from pose_estimation_ros.engine.execution.process_memory import return_free_memory
from pose_estimation_ros.engine.runtimes.onnx_runtime import OnnxRuntime
return_free_memory()
assert registered == []
from pose_estimation_ros.model_zoo.manifest import packaged_manifest
path = packaged_manifest().default("pose").path
for _ in range(2):
    OnnxRuntime(path, threads=1)
assert registered == [1]
return_free_memory()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr == "", run.stderr
