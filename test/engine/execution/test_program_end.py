"""Programs end without an abort, whatever their threads are doing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from pose_estimation_ros.engine.execution import program_end
from pose_estimation_ros.engine.execution.daemon_threads import DaemonThreads
from pose_estimation_ros.engine.execution.program_end import ProgramEnd
from pose_estimation_ros.errors import CancelledError

PROGRAM = """
import contextlib, os, signal, sys, threading
import numpy as np
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig, PipelineOptions

runtime, way, timeout_s = sys.argv[1:]
config = EngineConfig(runtime=runtime, int8=False, call_timeout_s=float(timeout_s))
pipeline = build_pipeline("v4", build_models(config), PipelineOptions())
image = Image(np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8))
begun = threading.Event()

def infer():
    for index in range(10_000):
        pipeline.process(Frame(image, index * 0.1))
        begun.set()

if way == "thread":
    threading.Thread(target=infer, daemon=True).start()
    begun.wait()
else:
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.daemon = True
    pipeline.process(Frame(image, 0.0))
    timer.start()
    with contextlib.suppress(KeyboardInterrupt):
        infer()
print("ended")
"""


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(("way", "timeout_s"), [("thread", 20), ("thread", 0), ("ctrl-c", 20)])
def test_a_program_may_end_during_an_inference(way: str, timeout_s: int, runtime: str) -> None:
    pytest.importorskip(runtime, reason="it is the runtime in question")
    command = [sys.executable, "-c", PROGRAM, runtime, way, str(timeout_s)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


def test_the_end_waits_for_the_frame_in_work() -> None:
    end = ProgramEnd()
    begun, go = threading.Event(), threading.Event()
    order = []

    def work() -> None:
        with end.frame_in_work():
            begun.set()
            go.wait(10)
            order.append("frame")

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    assert begun.wait(10)
    ending = threading.Thread(target=lambda: (end.end(10), order.append("end")))
    ending.start()
    time.sleep(0.05)
    assert not order
    go.set()
    ending.join(10)
    assert order == ["frame", "end"]


def test_after_the_end_no_frame_begins() -> None:
    end = ProgramEnd()
    end.end()
    with pytest.raises(CancelledError, match="the program ends"), end.frame_in_work():
        pass
    done = []

    def work() -> None:
        with end.frame_in_work():
            done.append(1)

    late = threading.Thread(target=work, daemon=True)
    late.start()
    late.join(0.1)
    assert late.is_alive() and not done


def test_a_frame_that_hangs_does_not_keep_the_end() -> None:
    end = ProgramEnd()
    hanging = threading.Event()
    threads = DaemonThreads(1, "hanging")
    end.add(threads)
    threads.submit(lambda: hanging.wait(60))
    began = time.monotonic()
    end.end(0.1)
    assert time.monotonic() - began < 30, "it does not wait for the job"
    hanging.set()


def test_time_without_a_core_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine an inference takes longer, and must not be torn apart for it."""
    end, begun, done = ProgramEnd(), threading.Event(), []
    monkeypatch.setattr(
        program_end, "_run_delays_s", lambda: {"1": 0.0, "2": 0.0 if done else time.monotonic()}
    )
    threads = DaemonThreads(1, "starved")

    def work() -> None:
        begun.set()
        time.sleep(1.0)
        done.append(1)

    threads.submit(work)
    end.add(threads)
    assert begun.wait(10)
    end.end(0.1)
    assert done


def test_threads_are_ended() -> None:
    end = ProgramEnd()
    threads = DaemonThreads(2, "ended_at_the_end")
    end.add(threads)
    assert threads.submit(lambda: 1).result(10) == 1
    end.end(10)
    assert not [t for t in threading.enumerate() if t.name.startswith("ended_at_the_end")]
