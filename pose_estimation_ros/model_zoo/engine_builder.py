"""Builds the engine that a configuration asks for."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from pose_estimation_ros.engine.detection.detector import Detector
from pose_estimation_ros.engine.detection.whole_frame import WholeFrameDetector
from pose_estimation_ros.engine.detection.yolo import DEFAULT_SIZE, YoloDetector
from pose_estimation_ros.engine.execution.cpu_features import computes_int8_fast
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain, Rung
from pose_estimation_ros.engine.execution.workers import WorkerPool
from pose_estimation_ros.engine.pipelines import PIPELINES, Models
from pose_estimation_ros.engine.pose.root_depth import BoxDepth, RootDepth, RootNet
from pose_estimation_ros.engine.pose.top_down import TopDownPose
from pose_estimation_ros.engine.runtimes import (
    PRECISIONS,
    RUNTIMES,
    Cores,
    Runtime,
    load_runtime,
    runtimes_for,
)
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.model_zoo.candidates import ladder, task_of
from pose_estimation_ros.model_zoo.manifest import TASKS, embedded_int8, resolve_model

_MOST_WORKERS = 4


@dataclass(slots=True)
class EngineConfig:
    """What cannot change while the engine runs. Empty model names mean the embedded models.

    `threads` bounds the cores used, 0 for all this process may use; `num_workers` splits them,
    0 for the pipeline's own choice. `fallback_models` may name detectors and pose models.
    `precision` is that of OpenVINO's arithmetic. With `int8`, embedded models are used in int8
    where the processor computes that faster. A model that takes longer than `call_timeout_s`
    for a frame is left for the next one; 0 waits for ever. `rootnet_model` names a RootNet for the
    distance of persons, else the size of their boxes tells it.
    """

    pipeline: str = "v4"
    model_path: str = ""
    yolo_model: str = ""
    fallback_models: list[str] = field(default_factory=list)
    runtime: str = "auto"
    enable_letterbox: bool = True
    detector_size: int = DEFAULT_SIZE
    enable_threading: bool = True
    num_workers: int = 0
    threads: int = 0
    precision: str = "f32"
    int8: bool = True
    call_timeout_s: float = 10.0
    rootnet_model: str = ""

    def check(self) -> None:
        """Raises ConfigError where a value is none of those allowed."""
        if self.pipeline not in PIPELINES:
            raise ConfigError(
                f"pipeline: '{self.pipeline}' is unknown: choose one of {', '.join(PIPELINES)}"
            )
        if self.runtime not in RUNTIMES:
            raise ConfigError(
                f"runtime: '{self.runtime}' is unknown: choose one of {', '.join(RUNTIMES)}"
            )
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"precision: '{self.precision}' is unknown: choose one of {', '.join(PRECISIONS)}"
            )
        if not self.call_timeout_s >= 0:
            raise ConfigError(f"call_timeout_s: {self.call_timeout_s} is below 0")

    def runtime_for(self, path: Path) -> str:
        """The runtime asked for where it reads such files; a fallback may be of another kind."""
        return self.runtime if self.runtime in runtimes_for(path) else "auto"

    def layout(self) -> tuple[int, int]:
        """Workers and threads of each, whose product stays within the cores.

        One person cannot be shared out, so V3 gives one worker all cores; many persons can, and
        are done sooner by single-threaded workers, which wait for nobody.
        """
        cores = len(os.sched_getaffinity(0))
        threads = min(self.threads, cores) if self.threads > 0 else cores
        if not self.enable_threading or self.pipeline == "v3":
            workers = 1
        else:
            workers = self.num_workers if self.num_workers > 0 else min(threads, _MOST_WORKERS)
        workers = min(workers, threads)
        return workers, threads // workers


def build_models(config: EngineConfig) -> Models:
    """The chains of models, best first; nothing is loaded yet.

    Raises:
        ConfigError: a value of the configuration is none of those allowed.
    """
    config.check()
    workers, threads = config.layout()
    pool = WorkerPool(workers)

    def load(path: Path, cores: Cores) -> Runtime:
        return load_runtime(path, config.runtime_for(path), cores, config.precision)

    def detector(path: Path) -> Detector:
        runtime = load(path, Cores(workers * threads))
        return YoloDetector(runtime, config.enable_letterbox, config.detector_size)

    def pose(path: Path) -> TopDownPose:
        # The embedded network in int8 is done before a second thread has woken up for each layer.
        alone = 1 if path == embedded_int8("pose") else 0
        return TopDownPose(load(path, Cores(threads, workers, onnx_threads=alone)))

    def rootnet(path: Path) -> RootDepth:
        return RootNet(load(path, Cores(workers * threads)))

    alternatives: dict[str, list[str]] = {task: [] for task in TASKS}
    for name in config.fallback_models:
        alternatives[task_of(name)].append(name)
    timeout_s = config.call_timeout_s
    int8 = config.int8 and computes_int8_fast()
    root_depths: list[Rung[RootDepth]] = [Rung(BoxDepth.name, BoxDepth)]
    if config.rootnet_model:
        path = resolve_model(config.rootnet_model)
        root_depths.insert(0, Rung(config.rootnet_model, lambda: rootnet(path)))
    return Models(
        FallbackChain(
            "detector",
            [
                *ladder(
                    "detector", [config.yolo_model, *alternatives["detector"]], detector, int8
                ),
                Rung(WholeFrameDetector.name, WholeFrameDetector),
            ],
            timeout_s=timeout_s,
        ),
        FallbackChain(
            "pose model",
            ladder("pose", [config.model_path, *alternatives["pose"]], pose, int8),
            timeout_s=timeout_s,
            on_timeout=pool.renew,
        ),
        pool,
        FallbackChain("root depth", root_depths, timeout_s=timeout_s),
    )
