"""Faults to load and to run, each in a real engine over real frames, and the table of them.

    WRITE_TABLE=1 python -m pytest test/model_zoo/test_faults.py

writes docs/faults.md anew.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pose_estimation_ros.engine import Frame, Image
from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.pipelines import Models, build_pipeline
from pose_estimation_ros.engine.runtimes.runtime import Runtime
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig, PipelineOptions

FRAMES = 4
FAULT_FRAME = 2
HANG_S = 4.0
HEAD = """# Faults and what answers

Each row is a fault in a real engine (V4, {frames} frames of the bundled scene, the embedded models
last in the chains), the model that answered afterwards, the frames that got no answer, and the
line in the log. Faults "at load" are there when the models are loaded; those "mid-stream" set in
at the third frame. `<...>` stands for what another library says in its own words.

This page is written by the tests; they fail where it is out of date:

    WRITE_TABLE=1 scripts/with_env --with test python -m pytest test/model_zoo/test_faults.py

| # | fault | when | model that answered | frames lost | log |
|---|---|---|---|---|---|
"""


@dataclass
class Fault:
    """A fault, how it is brought about, and what is asked for.

    `prepare` makes the broken file in a folder and returns the configuration; `strike` breaks the
    running engine before frame FAULT_FRAME.
    """

    name: str
    chain: str
    prepare: Callable[[Path], EngineConfig]
    strike: Callable[[Models], None] | None = None
    blocked: Sequence[str] = ()


@dataclass
class Outcome:
    """What came of a fault."""

    answered: str = ""
    lost: int = 0
    log: list[str] = field(default_factory=list)


class FaultyRuntime:
    """A loaded runtime that misbehaves from now on."""

    def __init__(self, runtime: Runtime, misbehave: Callable[[list[AnyArray]], list[AnyArray]]):
        self.runtime, self._misbehave = runtime, misbehave
        self.name, self.path = runtime.name, runtime.path
        self.inputs, self.outputs = runtime.inputs, runtime.outputs
        self.metadata = runtime.metadata

    def run(self, *tensors: AnyArray) -> list[AnyArray]:
        return self._misbehave(self.runtime.run(*tensors))


def strike(
    chain: Callable[[Models], FallbackChain], misbehave: Callable[[list[AnyArray]], list[AnyArray]]
) -> Callable[[Models], None]:
    """Lets the runtime of a chain's active model misbehave."""

    def work(models: Models) -> None:
        model = chain(models).load()
        model.runtime = FaultyRuntime(model.runtime, misbehave)

    return work


def explode(_outputs: list[AnyArray]) -> list[AnyArray]:
    raise RuntimeError("an operator failed")


def nan(outputs: list[AnyArray]) -> list[AnyArray]:
    return [np.full_like(output, np.nan) for output in outputs]


def truncate(outputs: list[AnyArray]) -> list[AnyArray]:
    return outputs[:1]


def hang(outputs: list[AnyArray]) -> list[AnyArray]:
    threading.Event().wait(60)
    return outputs


class _Clash:
    """Finds libraries that are there but fail to import, as where they are built for others."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self._reasons = reasons

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        return importlib.machinery.ModuleSpec(name, self) if name in self._reasons else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        raise ImportError(self._reasons[spec.name])

    def exec_module(self, module: object) -> None:
        """Never gets here."""


@contextlib.contextmanager
def blocked(libraries: Sequence[str]) -> Iterator[None]:
    """Within it the named libraries are missing, or ("name=why") fail to import."""
    names = [library.partition("=")[0] for library in libraries]
    clashes = dict(library.split("=", 1) for library in libraries if "=" in library)
    # Our own modules that import them at their top are imported anew too.
    ours = "pose_estimation_ros.engine."
    behind = [
        f"{ours}runtimes.torch_runtime",
        f"{ours}networks.checkpoints",
        f"{ours}networks.convnextpose",
    ]
    hidden = {
        name: module
        for name, module in sys.modules.items()
        if name.split(".")[0] in names or (names and name in behind)
    }
    for name in hidden:
        del sys.modules[name]
    missing = [name for name in names if name not in clashes]
    sys.modules.update(dict.fromkeys(missing))  # None: such an import fails
    clash = _Clash(clashes)
    sys.meta_path.insert(0, clash)
    try:
        yield
    finally:
        sys.meta_path.remove(clash)
        for name in [n for n in sys.modules if n in missing or n in behind]:
            del sys.modules[name]
        sys.modules.update(hidden)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def run(fault: Fault, folder: Path, frames: Sequence[np.ndarray]) -> Outcome:
    """Lets an engine live through a fault."""
    outcome = Outcome()
    handler = _Lines()
    log = logging.getLogger("pose_estimation_ros.engine.execution.fallback_chain")
    log.addHandler(handler)
    config = fault.prepare(folder)
    config.pipeline, config.num_workers, config.runtime = "v4", 2, "onnxruntime"
    config.call_timeout_s = HANG_S
    config.int8 = False  # the same candidates on every processor
    try:
        with blocked(fault.blocked):
            # Time stands still, so that no model is retried where the machine is slow.
            models = build_models(config, clock=lambda: 0.0)
            models.load()
            pipeline = build_pipeline("v4", models, PipelineOptions())
            for index in range(FRAMES):
                if index == FAULT_FRAME and fault.strike is not None:
                    fault.strike(models)
                try:
                    pixels = frames[index % len(frames)]
                    pipeline.process(Frame(Image(pixels), stamp_s=index / 30))
                except Exception:
                    outcome.lost += 1
            chain = models.detector if fault.chain == "detector" else models.pose
            outcome.answered = chain.status.active
            models.close()
    finally:
        log.removeHandler(handler)
    outcome.log = [plain(line, folder) for line in handler.lines]
    return outcome


_FOREIGN = (
    (r"import of (\w+) halted; None in sys.modules", r"No module named '\1'"),
    (r"((?:ONNX Runtime|OpenVINO|LiteRT) cannot load \S+): .*?(?=\); )", r"\1: <...>"),
    (r"(no ultralytics model that loads safely): .*?(?=\); )", r"\1: <...>"),
    (r"(not a safe PyTorch checkpoint): .*?(?=\); )", r"\1: <...>"),
    (r"(ValueError): .*?; get or convert", r"\1: <...>; get or convert"),
)


def plain(line: str, folder: Path) -> str:
    """A log line without this machine's paths and other libraries' words."""
    line = line.replace(f"{folder}/", "")
    line = re.sub(r"(?:/[\w.+-]+)+/", "", line)
    for pattern, text in _FOREIGN:
        line = re.sub(pattern, text, line)
    return re.sub(r"-[0-9a-f]{8}\.onnx", "-<...>.onnx", line).replace("|", "/")


def table(rows: Sequence[tuple[Fault, Outcome]]) -> str:
    """docs/faults.md."""
    lines = [HEAD.format(frames=FRAMES)]
    for number, (fault, outcome) in enumerate(rows, 1):
        when = "mid-stream" if fault.strike else "at load"
        log = "<br>".join(outcome.log)
        lines.append(
            f"| {number} | {fault.name} | {when} | {outcome.answered} | {outcome.lost} | {log} |\n"
        )
    return "".join(lines)
