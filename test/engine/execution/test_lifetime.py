"""Models that are closed, or that stayed behind a fork, say so at once; threads take turns."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from pose_estimation_ros.engine.execution.daemon_threads import DaemonThreads
from pose_estimation_ros.engine.execution.worker_pool import WorkerPool
from pose_estimation_ros.engine.pipelines import Models, build_pipeline
from pose_estimation_ros.engine.skeletons import HALPE26
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.errors import ClosedError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig, PipelineOptions

PIXELS = np.full((120, 160, 3), 90, np.uint8)

# In a process of its own, as a fork of pytest would take all of pytest along.
FORKED = """
import os, sys, threading
import numpy as np
from pose_estimation_ros import PoseEstimator
from pose_estimation_ros.errors import ClosedError

pixels = np.full((120, 160, 3), 90, np.uint8)
estimator = PoseEstimator("v4", call_timeout={timeout}, num_workers=2)
estimator(pixels)
stop = threading.Event()
def work():
    while not stop.is_set():
        estimator(pixels)
thread = threading.Thread(target=work)
thread.start()  # a fork in the middle of a frame takes its locks along
for _ in range(5):
    child = os.fork()
    if child == 0:
        try:
            with estimator:
                estimator(pixels)
        except ClosedError as error:
            print(error, flush=True)
            sys.exit(0)  # with all that is registered for the end
        sys.exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop.set()
thread.join()
print("the parent goes on:", len(estimator(pixels)))
"""


@pytest.mark.parametrize("timeout", [10.0, 0.0])
def test_a_fork_says_where_its_models_are(timeout: float) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORKED.format(timeout=timeout)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("load them after the fork") == 5
    assert "the parent goes on: 0" in run.stdout


@pytest.mark.parametrize("pipeline", ["v3", "v4", "hybrid"])
@pytest.mark.parametrize("timeout_s", [10.0, 0.0])
def test_closed_models_say_so(pipeline: str, timeout_s: float) -> None:
    models = build_models(EngineConfig(pipeline=pipeline, call_timeout_s=timeout_s))
    worker = build_pipeline(pipeline, models, PipelineOptions())
    worker.process(Frame(Image(PIXELS), 1.0))
    models.close()
    with pytest.raises(ClosedError, match="the models are closed"):
        worker.process(Frame(Image(PIXELS), 1.1))
    for use in (models.load, models.detector.load, models.pose.load):
        with pytest.raises(ClosedError, match="the models are closed"):
            use()
    assert not any(status.failures for status in models.statuses().values())
    models.close()


def test_models_outlive_their_copies() -> None:
    def threads() -> int:
        gc.collect()
        return sum(thread.name.startswith("pose_background") for thread in threading.enumerate())

    before = threads()
    models = build_models(EngineConfig())
    copy = replace(models, skeleton=HALPE26)
    del copy
    assert threads() == before + 1
    assert models.background.submit(lambda: 1).result(10) == 1
    del models
    assert threads() == before


def test_closed_threads_take_no_jobs() -> None:
    threads, pool = DaemonThreads(1, "test"), WorkerPool(2)
    threads.close(5.0)
    with pytest.raises(ClosedError):
        threads.submit(print)
    pool.close()


@pytest.mark.parametrize("pipeline", ["v3", "v4", "hybrid"])
def test_threads_that_share_a_pipeline_take_turns(
    pipeline: str, embedded_models: Models, scene_frames: list[np.ndarray]
) -> None:
    shared = build_pipeline(pipeline, embedded_models, PipelineOptions())
    counts: list[int] = []
    failures: list[BaseException] = []

    def work(offset: int) -> None:
        try:
            for index in range(4):
                pixels = scene_frames[index % len(scene_frames)]
                frame = Frame(Image(pixels), offset + index / 30)
                counts.append(len(shared.process(frame).poses))
                if index == 2:
                    shared.reset()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(counts) == 16 and min(counts) >= 1
