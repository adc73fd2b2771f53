"""The fallback chains of detectors, pose models and root depth that a configuration asks for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from pose_estimation_ros.engine.detection.canvas_network import DEFAULT_SIZE
from pose_estimation_ros.engine.detection.detector import Detector
from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.detection.whole_frame import WholeFrameDetector
from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.cpu_features import computes_int8_fast
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.execution.worker_pool import WorkerPool, worker_layout
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.engine.pose.pose_model import PoseModel, pose_model
from pose_estimation_ros.engine.pose.root_depth import BoxDepth, RootDepth, RootNet
from pose_estimation_ros.engine.runtimes import (
    Cores,
    Runtime,
    load_runtime,
    runtimes_for,
)
from pose_estimation_ros.engine.skeletons import skeleton_named
from pose_estimation_ros.errors import ConfigError, ModelError
from pose_estimation_ros.model_zoo.fallback_order import candidates_for, task_of
from pose_estimation_ros.model_zoo.manifest import embedded_int8, packaged_manifest, resolve_model
from pose_estimation_ros.model_zoo.model_sets import (
    detector_may_be_needless,
    detector_name,
    warn_of_missing,
    with_models_of_set,
)
from pose_estimation_ros.settings import EngineConfig

_log = logging.getLogger(__name__)

# px, for the embedded detector: in int8 they take about the time of DEFAULT_SIZE in float.
INT8_SIZE = 416

T = TypeVar("T")


class ModelLoaders:
    """How each kind of model is loaded from its file for a configuration.

    `given` is the configuration before the models of its set were filled in.

    The methods raise what `load_runtime`, the detector and the pose model raise.
    """

    def __init__(self, config: EngineConfig, given: EngineConfig | None = None) -> None:
        self._config, self._given = config, given or config
        self._warned = not detector_may_be_needless(self._given)
        self._workers, self._threads = worker_layout(config)

    def detector(self, path: Path, *, urgent: bool) -> Detector:
        """A detector, which uses all cores."""
        config = self._config
        if not self._warned:
            self._warned = True
            warn_of_missing(self._given)
        runtime = self._runtime(path, Cores(self._workers * self._threads), urgent)
        decoder, classes = "", tuple[int, ...]()
        if self._is_asked(path, "detector", config.yolo_model):
            decoder, classes = config.decoder.replace("auto", ""), config.person_classes()
        size = _size_for(path, config)
        return NetworkDetector(runtime, config.enable_letterbox, size, decoder, classes)

    def pose(self, path: Path, *, urgent: bool) -> PoseModel:
        """A pose model, which every worker calls at the same time, or a one-stage one."""
        # The embedded network in int8 is done before a second thread has woken up for each layer.
        onnx_threads = 1 if path == embedded_int8("pose") else 0
        cores = Cores(self._threads, callers=self._workers, onnx_threads=onnx_threads)
        asked = self._is_asked(path, "pose", self._config.model_path)
        skeleton, published, classes = "", "", tuple[int, ...]()
        if asked:
            entry = packaged_manifest().find(self._config.model_path)
            if entry is not None and entry.task == "detector":
                raise ModelError(f"{entry.name} is a detector: name it as --yolo-model")
            if not self._config.yolo_model:
                classes = self._config.person_classes()
            skeleton, published = (
                name.replace("auto", "")
                for name in (self._config.model_skeleton, self._config.skeleton)
            )
        make = partial(
            pose_model,
            skeleton=skeleton,
            published=published,
            size=_size_for(path, self._config),
            letterbox=self._config.enable_letterbox,
            classes=classes,
        )
        model = make(self._runtime(path, cores, urgent))
        if isinstance(model, OneStagePose):
            if self._given.yolo_model:
                _log.warning("%s finds people itself: yolo_model is not used", path.name)
            everything = Cores(self._workers * self._threads)  # there is one call at a time
            if everything.threads != cores.threads:
                model = make(self._runtime(path, everything, urgent))
        if asked and not model.gives_depth:
            _log.info("%s gives no depths of joints: no positions in metres with it", path.name)
        return model

    def root_depth(self, path: Path, *, urgent: bool) -> RootDepth:
        """A RootNet, which uses all cores."""
        return RootNet(self._runtime(path, Cores(self._workers * self._threads), urgent))

    def _is_asked(self, path: Path, task: str, name: str) -> bool:
        """Whether a file is the model asked for, or a conversion of it."""
        others = [resolve_model(other) for other in _fallbacks(self._config, task)]
        entry = packaged_manifest().default(task)
        embedded = [resolve_model(entry.name), embedded_int8(task)] if entry else []
        return bool(name) and path not in (*others, *embedded)

    def _runtime(self, path: Path, cores: Cores, urgent: bool) -> Runtime:
        # A fallback may be of a kind that the runtime asked for does not read.
        asked = self._config.runtime
        runtime = asked if asked in runtimes_for(path) else "auto"
        return load_runtime(path, runtime, cores, self._config.precision, urgent=urgent)


def build_models(
    config: EngineConfig,
    clock: Callable[[], float] = time.monotonic,
    fall_back: bool = True,
) -> Models:
    """The fallback chains of models, best first; nothing is loaded yet.

    `clock` (s) times the retries of models that failed. Without `fall_back`, as where a model is
    measured, no other model takes the place of one that is asked for, and no other runtime that of
    one that reads none of them.

    Raises:
        ConfigError: a value of the configuration is none of those allowed.
        ModelError: a model of the set is missing, and none may take its place.
    """
    config.check()
    given, config = config, with_models_of_set(config, fall_back)
    if not fall_back:
        _check_runtime(config)
    loaders = ModelLoaders(config, given)
    workers, _ = worker_layout(config)
    pool = WorkerPool(workers)
    timeout_s = config.call_timeout_s

    def allowed(candidates: list[Candidate[T]]) -> list[Candidate[T]]:
        return [one for one in candidates if one.asked or fall_back]

    return Models(
        detector=FallbackChain(
            "detector", allowed(detector_candidates(config, loaders)), clock, timeout_s
        ),
        pose=FallbackChain(
            "pose model", allowed(pose_candidates(config, loaders)), clock, timeout_s, pool.renew
        ),
        workers=pool,
        root_depth=FallbackChain(
            "root depth", allowed(root_depth_candidates(config, loaders)), clock, timeout_s
        ),
        skeleton=None if config.skeleton == "auto" else skeleton_named(config.skeleton),
    )


def _check_runtime(config: EngineConfig) -> None:
    """Raises ConfigError where the runtime asked for reads none of the models asked for."""
    if config.runtime == "auto":
        return
    files = []
    for task, name in (("detector", config.yolo_model), ("pose", config.model_path)):
        entry = packaged_manifest().default(task)
        if name or entry:
            files.append(resolve_model(name or (entry.name if entry else "")))
    able: list[str] = []
    for path in files:
        # A checkpoint is converted, too.
        kinds = [path, path.with_suffix(".onnx")] if path.suffix in (".pt", ".pth") else [path]
        able += [name for kind in kinds for name in runtimes_for(kind)]
    if config.runtime not in able:
        listed = " or ".join(dict.fromkeys(able))
        names = ", ".join(path.name for path in files)
        raise ConfigError(
            f"runtime: {config.runtime} reads neither of {names}: use {listed}, or name a model "
            "of its kind"
        )


def detector_candidates(config: EngineConfig, loaders: ModelLoaders) -> list[Candidate[Detector]]:
    """The detectors asked for, the embedded one, and at last the whole frame."""
    names = [config.yolo_model, *_fallbacks(config, "detector")]
    whole_frame: Candidate[Detector] = Candidate.of(
        WholeFrameDetector.name, WholeFrameDetector, asked=False
    )
    return [*candidates_for("detector", names, loaders.detector, _use_int8(config)), whole_frame]


def pose_candidates(config: EngineConfig, loaders: ModelLoaders) -> list[Candidate[PoseModel]]:
    """The pose models asked for, then the embedded one."""
    names = [config.model_path, *_fallbacks(config, "pose")]
    return candidates_for("pose", names, loaders.pose, _use_int8(config))


def root_depth_candidates(
    config: EngineConfig, loaders: ModelLoaders
) -> list[Candidate[RootDepth]]:
    """The RootNet where one is asked for, then the size of the boxes."""
    asked = not config.rootnet_model
    box_depth: Candidate[RootDepth] = Candidate.of(BoxDepth.name, BoxDepth, asked)
    if asked:
        return [box_depth]
    load = partial(loaders.root_depth, resolve_model(config.rootnet_model))
    return [Candidate(config.rootnet_model, load), box_depth]


def detector_size(config: EngineConfig) -> int:
    """Longer side in px of the image that the detector asked for is given, where that is free."""
    name = detector_name(config)
    embedded = embedded_int8("detector") if _use_int8(config) else None
    return _size_for(resolve_model(name) if name else embedded, config)


def _size_for(path: Path | None, config: EngineConfig) -> int:
    """The same for the model in a file."""
    own = INT8_SIZE if path is not None and path == embedded_int8("detector") else DEFAULT_SIZE
    return config.detector_size or own


def _fallbacks(config: EngineConfig, task: str) -> list[str]:
    return [name for name in config.fallback_models if task_of(name) == task]


def _use_int8(config: EngineConfig) -> bool:
    return config.int8 and computes_int8_fast()
