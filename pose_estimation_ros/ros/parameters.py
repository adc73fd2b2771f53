"""The node's parameters: declared, described, checked, and read into the engine's settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from pose_estimation_ros.engine.pipelines import PIPELINES, PipelineOptions
from pose_estimation_ros.engine.pipelines.hybrid import HybridOptions
from pose_estimation_ros.engine.runtimes import PRECISIONS, RUNTIMES
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.io.image_messages import MAX_PIXELS
from pose_estimation_ros.model_zoo.engine_builder import EngineConfig
from pose_estimation_ros.ros.camera_settings import CameraSettings


@dataclass(frozen=True, slots=True)
class Spec:
    """One parameter. `live` ones change while the node runs, the others need a restart."""

    name: str
    default: Any
    description: str
    live: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows; ranges are enforced by the middleware itself."""
        constraint = f"one of: {', '.join(self.choices)}" if self.choices else ""
        restart = "" if self.live else " Needs a restart of the node."
        descriptor = ParameterDescriptor(
            name=self.name,
            description=self.description + restart,
            additional_constraints=constraint,
            read_only=not self.live,
        )
        if isinstance(self.default, bool):
            return descriptor
        if isinstance(self.default, int) and self.low is not None and self.high is not None:
            span = IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)
            descriptor.integer_range = [span]
        elif isinstance(self.default, float) and self.low is not None and self.high is not None:
            reals = FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
            descriptor.floating_point_range = [reals]
        return descriptor


SPECS = (
    Spec("pipeline", "v4", "Pipeline: v3 (one person), v4 (many) or hybrid.", choices=PIPELINES),
    Spec("model_path", "", "Pose model: a file or a name of the manifest; empty: embedded."),
    Spec("yolo_model", "", "Person detector: a file or a name of the manifest; empty: embedded."),
    Spec("fallback_models", [""], "Detectors to try, in order, when yolo_model fails."),
    Spec("runtime", "auto", "Runtime for ONNX models.", choices=RUNTIMES),
    Spec("rootnet_model", "", "RootNet model for the distance of persons; empty: by box size."),
    Spec("precision", "f32", "Arithmetic of OpenVINO models.", choices=PRECISIONS),
    Spec("int8", True, "Embedded models in int8 where this processor computes that faster."),
    Spec(
        "call_timeout",
        10.0,
        "Seconds after which a model's call counts as failed; 0: never.",
        low=0.0,
        high=3600.0,
    ),
    Spec("enable_letterbox", True, "Keep the image's proportions for the detector."),
    Spec(
        "detector_size",
        320,
        "Longer side of the detector's input in px, where it is free.",
        low=64,
        high=2048,
    ),
    Spec("enable_threading", True, "Spread persons over a pool of workers (v4)."),
    Spec(
        "num_workers",
        0,
        "Workers; 0: as many as pay off. Workers x threads <= cores.",
        low=0,
        high=64,
    ),
    Spec("threads", 0, "Cores to use at most; 0: all that this process may use.", low=0, high=256),
    Spec("cameras", [""], "Names of several cameras; each has its topics under its name."),
    Spec("compressed", False, "Subscribe to image/compressed instead of image."),
    Spec("use_depth", False, "Subscribe to depth, an aligned depth image, for positions."),
    Spec("publish_tf", False, "Publish a TF frame for every joint of every tracked person."),
    Spec("publish_detections", False, "Publish boxes as vision_msgs/Detection2DArray, too."),
    Spec("publish_annotations", False, "Publish foxglove_msgs/ImageAnnotations, too."),
    Spec(
        "every_frame",
        False,
        "Answer every image in order, however late, as for a bag; two runs give the same.",
    ),
    Spec("autostart", True, "Configure and activate when the node starts."),
    Spec("confidence_threshold", 0.3, "Least score of a detected person.", True, 0.0, 1.0),
    Spec(
        "iou_threshold", 0.45, "Overlap from which two detections are one person.", True, 0.0, 1.0
    ),
    Spec("max_persons", 32, "Most persons answered for in an image, best first.", True, 1, 256),
    Spec(
        "min_pose_score",
        0.2,
        "Least mean joint score of a person; somebody new also needs a `score` of 0.75 of it.",
        True,
        0.0,
        1.0,
    ),
    Spec(
        "detect_every", 10, "v3: frames from one look of the detector to the next.", True, 1, 1000
    ),
    Spec(
        "detect_every_many",
        1,
        "v4: likewise; above 1, newcomers wait that long, and boxes follow the poses in between.",
        True,
        1,
        1000,
    ),
    Spec(
        "target_fps",
        0.0,
        "Most frames answered a second and camera; 0: no limit.",
        True,
        0.0,
        1000.0,
    ),
    Spec(
        "max_image_pixels",
        MAX_PIXELS,
        "Pixels of the largest image taken, checked before it is decoded.",
        True,
        1,
        1_000_000_000,
    ),
    Spec(
        "max_memory_mb",
        0.0,
        "Memory budget: over it the node warns, and gives up cache and workers; 0: none.",
        True,
        0.0,
        1e6,
    ),
    Spec("enable_tracking", True, "Give persons identities that hold.", True),
    Spec(
        "reentry_time",
        2.0,
        "Seconds out of sight after which an identity ends.",
        True,
        0.0,
        3600.0,
    ),
    Spec(
        "cache_size",
        50,
        "Poses remembered, to be used again while a person's pixels stay the same; 0: none.",
        True,
        0,
        1000,
    ),
    Spec("report_lost", False, "List persons out of sight, LOST and without joints, too.", True),
    Spec("enable_smoothing", False, "Smooth joints (One-Euro filter); costs some latency.", True),
    Spec(
        "smoothing_min_cutoff",
        1.5,
        "Cutoff at rest, Hz: lower is smoother and later.",
        True,
        0.01,
        100.0,
    ),
    Spec(
        "smoothing_beta",
        3.0,
        "Cutoff gained a body height per second of speed, Hz.",
        True,
        0.0,
        1000.0,
    ),
    Spec("hybrid_follow_scene", True, "hybrid: switch by the number of persons seen.", True),
    Spec("hybrid_max_persons", 1, "hybrid, when not following: persons asked for.", True, 1, 256),
    Spec(
        "hybrid_latency_critical",
        True,
        "hybrid, when not following: v3 if one is asked for.",
        True,
    ),
)


def declare(node: Node) -> None:
    """Declares every parameter, with the values given on the command line or in files.

    Raises:
        ConfigError: a given value is of the wrong type, out of range or none of those allowed.
    """
    for spec in SPECS:
        try:
            node.declare_parameter(spec.name, spec.default, spec.descriptor())
        except InvalidParameterTypeException as error:
            expected = type(spec.default).__name__
            raise ConfigError(
                f"parameter '{spec.name}': expected a {expected}: {error}"
            ) from error
        except InvalidParameterValueException as error:
            span = f" (allowed: {spec.low:g} to {spec.high:g})" if spec.low is not None else ""
            raise ConfigError(f"parameter '{spec.name}': {error}{span}") from error
        reason = refusal(spec, node.get_parameter(spec.name).value)
        if reason:
            raise ConfigError(reason)


def refusal(spec: Spec, value: Any) -> str:
    """Why a value is not allowed, beyond what the descriptor enforces; empty where it is."""
    if spec.choices and value not in spec.choices:
        allowed = ", ".join(spec.choices)
        return f"parameter '{spec.name}': '{value}' is unknown: choose one of {allowed}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"parameter '{spec.name}': {value} is not a finite number"
    return ""


def with_restart_hint(names: Iterable[str], result: SetParametersResult) -> SetParametersResult:
    """The result of setting these parameters; a refusal of structural ones says what to do."""
    structural = [spec.name for spec in SPECS if not spec.live and spec.name in names]
    if structural and not result.successful:
        result.reason += f" To change {', '.join(structural)}, restart the node."
    return result


def value_check() -> Callable[[list[Parameter]], SetParametersResult]:
    """A callback that refuses values that no descriptor can rule out, with the reason."""
    specs = {spec.name: spec for spec in SPECS}

    def check(parameters: Iterable[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            spec = specs.get(parameter.name)
            reason = refusal(spec, parameter.value) if spec else ""
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    return check


def read_engine_config(node: Node) -> EngineConfig:
    """The structural settings."""
    value = _values(node)
    if value["every_frame"] and value["runtime"] == "auto":
        # Two runs over a bag must agree to the last digit, and which runtime is fastest may differ
        # from one run to the next.
        value["runtime"] = "onnxruntime"
    return EngineConfig(
        pipeline=value["pipeline"],
        model_path=value["model_path"],
        yolo_model=value["yolo_model"],
        fallback_models=[name for name in value["fallback_models"] if name],
        runtime=value["runtime"],
        enable_letterbox=value["enable_letterbox"],
        detector_size=value["detector_size"],
        enable_threading=value["enable_threading"],
        num_workers=value["num_workers"],
        threads=value["threads"],
        precision=value["precision"],
        int8=value["int8"],
        call_timeout_s=value["call_timeout"],
        rootnet_model=value["rootnet_model"],
    )


def read_camera_settings(node: Node) -> CameraSettings:
    """The structural settings of the cameras."""
    value = _values(node)
    return CameraSettings(
        compressed=value["compressed"],
        use_depth=value["use_depth"],
        every_frame=value["every_frame"],
        publish_tf=value["publish_tf"],
        publish_detections=value["publish_detections"],
        publish_annotations=value["publish_annotations"],
    )


def read_camera_names(node: Node) -> list[str]:
    """The names of the cameras; one empty name where there is a single, nameless one."""
    return [name for name in node.get_parameter("cameras").value if name] or [""]


def update_options(node: Node, options: PipelineOptions, hybrid: HybridOptions) -> None:
    """Brings the live settings into the engine's options, which the pipelines read each frame."""
    value = _values(node)
    options.detector.confidence_threshold = value["confidence_threshold"]
    options.detector.iou_threshold = value["iou_threshold"]
    options.detector.max_persons = value["max_persons"]
    options.min_pose_score = value["min_pose_score"]
    options.report_lost = value["report_lost"]
    options.pose_cache.cache_size = value["cache_size"]
    options.detect_every = value["detect_every"]
    options.detect_every_many = value["detect_every_many"]
    options.tracking.enabled = value["enable_tracking"]
    options.tracking.reentry_s = value["reentry_time"]
    options.smoothing.enabled = value["enable_smoothing"]
    options.smoothing.min_cutoff_hz = value["smoothing_min_cutoff"]
    options.smoothing.beta = value["smoothing_beta"]
    hybrid.follow_scene = value["hybrid_follow_scene"]
    hybrid.max_persons = value["hybrid_max_persons"]
    hybrid.latency_critical = value["hybrid_latency_critical"]


def _values(node: Node) -> dict[str, Any]:
    return {spec.name: node.get_parameter(spec.name).value for spec in SPECS}
