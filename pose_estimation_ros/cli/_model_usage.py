"""Which model answered which frames, and whether these were the models asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pose_estimation_ros.engine.execution.fallback_chain import ChainStatus
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.io.pose_records import AnsweringModel
from pose_estimation_ros.model_zoo.manifest import resolve_model
from pose_estimation_ros.model_zoo.model_sets import missing_of_set, missing_text
from pose_estimation_ros.model_zoo.provenance import sha256_of
from pose_estimation_ros.settings import EngineConfig

OTHER_MODEL = 3  # exit code where another model than the one asked for answered


def add_strict_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --strict and --no-strict."""
    parser.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        default=None,
        help=f"exit code {OTHER_MODEL} where a fallback answered a frame instead of a model that "
        "is named or, with --strict, of the set. Default: where models are named without "
        "--fallback-models",
    )


def is_strict(args: argparse.Namespace, config: EngineConfig) -> bool:
    """Whether only the models asked for will do."""
    named = bool(config.model_path or config.yolo_model or config.rootnet_model)
    return bool(named and not config.fallback_models if args.strict is None else args.strict)


def strict_flags(args: argparse.Namespace) -> list[str]:
    """The words of a command line that say again whether --strict or --no-strict was given."""
    if args.strict is None:
        return []
    return ["--strict" if args.strict else "--no-strict"]


def wrong_model(command: str, complaint: str) -> int:
    """Prints that another model than the one asked for answered; returns the exit code."""
    text = f"{complaint} (--no-strict allows it)"
    print(f"pose_estimation {command}: error: {text}", file=sys.stderr)
    return OTHER_MODEL


def worst(codes: Iterable[int]) -> int:
    """The exit code of several jobs: a failure counts most, then another model."""
    given = set(codes)
    return 1 if given - {0, OTHER_MODEL} else max(given, default=0)


@dataclass
class _Run:
    """Frames in a row that one model answered."""

    model: str
    first: int
    last: int


class ModelUsage:
    """Notes the active models frame by frame."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._runs: dict[str, list[_Run]] = {}
        self._reasons: dict[str, str] = {}

    def note(self, frame: int) -> None:
        """The frame of that number has been answered."""
        for chain, status in self._models.statuses().items():
            runs = self._runs.setdefault(chain, [])
            if not runs or runs[-1].model != status.active:
                runs.append(_Run(status.active, frame, frame))
            runs[-1].last = frame
            if not status.as_asked:
                self._reasons.setdefault(chain, _reason(status))

    def summary(self) -> str:
        """Such as "detector: a.onnx; pose model: b.onnx (frames 0 to 4), c.onnx (5 to 9)"."""
        parts = []
        for chain in ("detector", "pose model"):
            runs = self._runs.get(chain, [])
            if not runs:  # nothing was answered
                runs = [_Run(self._models.statuses()[chain].active, 0, 0)]
            if len(runs) == 1:
                parts.append(f"{chain}: {runs[0].model}")
            else:
                spans = [f"{run.model} (frames {run.first} to {run.last})" for run in runs]
                parts.append(f"{chain}: {', '.join(spans)}")
        return "; ".join(parts)

    def active(self) -> dict[str, AnsweringModel]:
        """The detector and the pose model that answer now, by the chain's name."""
        statuses = self._models.statuses()
        active = {}
        for chain in ("detector", "pose model"):
            name = statuses[chain].active
            file = resolve_model(name)
            checksum = sha256_of(file) if file.is_file() else ""
            active[chain] = AnsweringModel(name=Path(name).name, sha256=checksum)
        return active

    @property
    def complaint(self) -> str:
        """Where other models than those asked for answered, and why; empty where none did."""
        return "; ".join(
            f"the {chain} that is asked for did not answer every frame: {reason}"
            for chain, reason in self._reasons.items()
        )


def load_complaint(models: Models) -> str:
    """Why a model that is asked for cannot be loaded; empty where all can."""
    return "; ".join(
        f"the {chain} that is asked for cannot be used: {_reason(status)}"
        for chain, status in models.statuses().items()
        if not status.as_asked
    )


def set_complaint(args: argparse.Namespace, config: EngineConfig, one_stage: bool) -> str:
    """Which models of the set are missing, where --strict is given; empty where none is."""
    missing = missing_of_set(config) if args.strict else []
    if one_stage:  # which needs no detector
        missing = [entry for entry in missing if entry.task != "detector"]
    return missing_text(config, missing) if missing else ""


def _reason(status: ChainStatus) -> str:
    return " and ".join(status.reasons) or f"{status.active} answered instead"
