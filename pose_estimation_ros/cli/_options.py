"""Options that several commands share, and the engine they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path

from pose_estimation_ros.engine.pipelines import (
    PIPELINES,
    Models,
    Pipeline,
    PipelineOptions,
    build_pipeline,
)
from pose_estimation_ros.engine.runtimes import PRECISIONS, RUNTIMES
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.model_zoo.engine_builder import EngineConfig, build_models
from pose_estimation_ros.model_zoo.manifest import require_model


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """The pipeline, its models and thresholds."""
    group = parser.add_argument_group("pipeline and models")
    group.add_argument(
        "--pipeline", default="v4", metavar="NAME", help=f"{', '.join(PIPELINES)} (default: v4)"
    )
    group.add_argument(
        "--model-path",
        default="",
        metavar="MODEL",
        help="pose model: a file, or a name as "
        "`pose_estimation models list` gives it (default: the embedded one)",
    )
    group.add_argument(
        "--yolo-model", default="", metavar="MODEL", help="person detector, likewise"
    )
    group.add_argument(
        "--fallback-models",
        action="append",
        default=[],
        metavar="MODEL",
        help="tried when the models above fail; may be given several times",
    )
    group.add_argument("--runtime", default="auto", metavar="NAME", help=", ".join(RUNTIMES))
    group.add_argument(
        "--precision", default="f32", metavar="NAME", help=f"OpenVINO's: {', '.join(PRECISIONS)}"
    )
    group.add_argument(
        "--no-int8", action="store_true", help="embedded models in float on every processor"
    )
    group.add_argument("--confidence-threshold", type=float, default=None, metavar="SCORE")
    group.add_argument("--iou-threshold", type=float, default=None, metavar="IOU")
    group.add_argument(
        "--min-pose-score", type=float, metavar="SCORE", help="least mean joint score of a person"
    )
    group.add_argument("--num-workers", type=int, default=0, metavar="N")
    group.add_argument("--threads", type=int, default=0, metavar="N", help="bound on cores used")
    group.add_argument("--smoothing", action="store_true", help="smooth the joints (One-Euro)")


def check_count(name: str, value: int | float | None) -> None:
    """Refuses the value of an option below 0.

    Raises:
        ConfigError: it is below 0.
    """
    if value is not None and not value >= 0:  # nor NaN
        raise ConfigError(f"--{name.replace('_', '-')}: {value:g} is below 0")


def engine_config(args: argparse.Namespace) -> EngineConfig:
    """The configuration asked for.

    Raises:
        ConfigError: a value is none of those allowed.
        ModelError: a named model does not exist.
    """
    for name in ("num_workers", "threads"):
        check_count(name, getattr(args, name))
    config = EngineConfig(
        pipeline=args.pipeline,
        model_path=args.model_path,
        yolo_model=args.yolo_model,
        fallback_models=args.fallback_models,
        runtime=args.runtime,
        precision=args.precision,
        int8=not args.no_int8,
        num_workers=args.num_workers,
        threads=args.threads,
    )
    config.check()
    for parameter, name in (
        ("--model-path", config.model_path),
        ("--yolo-model", config.yolo_model),
    ):
        if name:
            require_model(parameter, name)
    return config


def make_folder(folder: Path) -> None:
    """Makes the folder that a command writes to, where it is not there yet."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder '{folder}': {error.strerror}") from error


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in px of a text such as 640x480."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"'{text}' is no size: write it like 640x480")
    return int(width), int(height)


def engine_options(args: argparse.Namespace) -> PipelineOptions:
    """The settings asked for.

    Raises:
        ConfigError: a threshold is not from 0 to 1.
    """
    for name in ("confidence_threshold", "iou_threshold", "min_pose_score"):
        value = getattr(args, name)
        if value is not None and not 0 <= value <= 1:  # nor NaN
            raise ConfigError(f"--{name.replace('_', '-')}: {value:g} is not from 0 to 1")
    options = PipelineOptions()
    if args.confidence_threshold is not None:
        options.detector.confidence_threshold = args.confidence_threshold
    if args.iou_threshold is not None:
        options.detector.iou_threshold = args.iou_threshold
    if args.min_pose_score is not None:
        options.min_pose_score = args.min_pose_score
    options.smoothing.enabled = args.smoothing
    return options


def engine_flags(args: argparse.Namespace, **changes: object) -> list[str]:
    """The options of add_engine_arguments as words of a command line, with some changed."""
    values = {**vars(args), **changes}
    flags: list[str] = []
    for name in (
        *("pipeline", "model_path", "yolo_model", "runtime", "confidence_threshold"),
        *("iou_threshold", "min_pose_score", "num_workers", "threads", "precision"),
    ):
        if values[name] not in ("", None):
            flags += [f"--{name.replace('_', '-')}", str(values[name])]
    for name in values["fallback_models"]:
        flags += ["--fallback-models", name]
    flags += ["--no-int8"] * bool(values["no_int8"])
    return flags + ["--smoothing"] * bool(values["smoothing"])


def build_engine(args: argparse.Namespace) -> tuple[Models, Pipeline]:
    """The models, loaded, and a pipeline over them."""
    config = engine_config(args)
    models = build_models(config)
    models.load()
    return models, build_pipeline(config.pipeline, models, engine_options(args))
