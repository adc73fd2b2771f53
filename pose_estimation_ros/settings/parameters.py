"""Every setting of the package, declared once.

To add one, add a field here and read it where it is used. The node's parameter with description,
range and live update, and the command line's flag (`flag=True`) follow;
`scripts/parameter_table.py` writes the table in docs/parameters.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.settings.setting import check, setting

PIPELINES = ("v3", "v4", "hybrid")
RUNTIMES = (
    "auto",
    "onnxruntime",
    "onnxruntime-cuda",
    "onnxruntime-tensorrt",
    "onnxruntime-openvino",
    "openvino",
    "tflite",
    "torch",
)
PRECISIONS = ("f32", "bf16", "auto")
# What engine/detection/heads.py, models/manifest.yaml and engine/skeletons know.
DECODERS = (
    "auto",
    "yolov8",
    "yolov5",
    "yolov6",
    "yolox",
    "nms",
    "yolox_nms",
    "rtmdet",
    "picodet",
    "boxes",
    "paddle",
    "paddle_unit",
)
MODEL_SETS = ("embedded", "balanced", "accurate")
SKELETON_NAMES = (
    "auto",
    "coco17",
    "h36m18",
    "muco21",
    "h36m17",
    "coco_wholebody133",
    "halpe26",
    "body25",
    "mediapipe33",
    "mpii16",
    "crowdpose14",
    "aic14",
)
# Twice the pixels of 8K video. Beyond it an image is taken for a mistake or an attack.
MAX_IMAGE_PIXELS = 66_355_200

live = partial(setting, live=True)


@dataclass(slots=True)
class EngineConfig:
    """Models, runtimes and threads: what cannot change while the engine runs."""

    pipeline: str = setting(
        "v4",
        "Pipeline: v3 (one person), v4 (many) or hybrid.",
        choices=PIPELINES,
        flag=True,
    )
    models: str = setting(
        "embedded",
        "Set of models, where model_path and yolo_model name none: those that come with the "
        "package, or those that `pose_estimation models fetch balanced` or `accurate` gets.",
        choices=MODEL_SETS,
        flag=True,
    )
    model_path: str = setting(
        "", "Pose model: a file or a name of the manifest; empty: of the set.", flag=True
    )
    yolo_model: str = setting(
        "", "Person detector: a file or a name of the manifest; empty: of the set.", flag=True
    )
    fallback_models: list[str] = setting(
        [], "Models to try, in order, when model_path or yolo_model fails.", flag=True
    )
    decoder: str = setting(
        "auto",
        "How yolo_model is read, where its file leaves it open; auto: told by the file.",
        choices=DECODERS,
        flag=True,
    )
    classes: str = setting(
        "",
        "Numbers of the classes of yolo_model that are persons, such as 0 or 0,2; empty: by the "
        "names in its file, else 0.",
        flag=True,
    )
    skeleton: str = setting(
        "auto",
        "Joints that are published, by name, whatever the model has; those that it lacks are NaN "
        "with score 0; auto: the model's. Where a file leaves open what its joints are, and has "
        "as many, they are these.",
        choices=SKELETON_NAMES,
        flag=True,
    )
    model_skeleton: str = setting(
        "auto",
        "Skeleton of model_path, where its file does not say it and others are published; auto: "
        "told by the file, or skeleton.",
        choices=SKELETON_NAMES,
        flag=True,
    )
    runtime: str = setting("auto", "Runtime for ONNX models.", choices=RUNTIMES, flag=True)
    rootnet_model: str = setting(
        "", "RootNet model for the distance of persons; empty: by box size.", flag=True
    )
    precision: str = setting(
        "f32", "Arithmetic of OpenVINO models.", choices=PRECISIONS, flag=True
    )
    int8: bool = setting(
        True,
        "Embedded models in int8 where this processor computes that faster.",
        flag="--no-int8",
    )
    call_timeout_s: float = setting(
        10.0,
        "Time after which a model's call counts as failed; 0: never.",
        name="call_timeout",
        low=0.0,
        high=3600.0,
        unit="s",
    )
    enable_letterbox: bool = setting(True, "Keep the image's proportions for the detector.")
    detector_size: int = setting(
        0,
        "Longer side of the detector's input, where it is free; 0: 416 for the embedded detector "
        "in int8, 320 for others.",
        low=64,
        high=2048,
        unit="px",
        flag=True,
    )
    enable_threading: bool = setting(True, "Spread persons over a pool of workers (v4).")
    num_workers: int = setting(
        0,
        "Workers; 0: as many as pay off. Workers x threads <= cores.",
        low=0,
        high=64,
        flag=True,
    )
    threads: int = setting(
        0, "Cores to use at most; 0: all that this process may use.", low=0, high=256, flag=True
    )

    def check(self) -> None:
        """Raises ConfigError where a value is out of range or none of those allowed."""
        check(self)
        self.person_classes()

    def person_classes(self) -> tuple[int, ...]:
        """The numbers in `classes`.

        Raises:
            ConfigError: they are none.
        """
        words = [word.strip() for word in self.classes.split(",") if word.strip()]
        if not all(word.isascii() and word.isdecimal() for word in words):
            raise ConfigError(f"classes: '{self.classes}': expected numbers such as 0 or 0,2")
        return tuple(int(word) for word in words)


@dataclass(slots=True)
class CameraTopics:
    """What every camera listens to and publishes.

    With `every_frame` nothing is replaced by newer images: they wait in the middleware, which
    holds the publisher back, and are answered in order, as a bag's should be.
    """

    compressed: bool = setting(False, "Subscribe to image/compressed instead of image.")
    use_depth: bool = setting(False, "Subscribe to depth, an aligned depth image, for positions.")
    every_frame: bool = setting(
        False,
        "Answer every image in order, however late, as for a bag; two runs give the same.",
    )
    target_frame: str = setting(
        "",
        "Frame of positions, through TF at the image's stamp; empty: the camera's.",
    )
    publish_tf: bool = setting(
        False, "Publish TF frames for every tracked person and every joint of theirs."
    )
    tf_prefix: str = setting("", "Put before the names of these frames, such as robot1/.")
    publish_detections: bool = setting(
        False, "Publish boxes as vision_msgs/Detection2DArray, too."
    )
    publish_detections_3d: bool = setting(
        False, "Publish boxes in metres as vision_msgs/Detection3DArray, too."
    )
    publish_humans: bool = setting(
        False, "Publish persons as ROS4HRI has them (REP 155: /humans/bodies, hri_msgs), too."
    )
    publish_annotations: bool = setting(False, "Publish foxglove_msgs/ImageAnnotations, too.")


@dataclass(slots=True)
class DetectorOptions:
    """When a detection counts."""

    confidence_threshold: float = live(
        0.3, "Least score of a detected person.", low=0.0, high=1.0, flag=True
    )
    iou_threshold: float = live(
        0.45, "Overlap from which two detections are one person.", low=0.0, high=1.0, flag=True
    )
    max_persons: int = live(
        32, "Most persons answered for in an image, best first.", low=1, high=256, flag=True
    )


@dataclass(slots=True)
class TrackingOptions:
    """Identities. `min_similarity` is the least overlap of a box with a track's prediction."""

    enabled: bool = live(True, "Give persons identities that hold.", name="enable_tracking")
    reentry_s: float = live(
        2.0,
        "Time out of sight after which an identity ends.",
        name="reentry_time",
        flag=True,
        low=0.0,
        high=3600.0,
        unit="s",
    )
    new_track_score: float = live(
        1.5,
        "Score that starts an identity, in multiples of min_pose_score: false positives come and "
        "go with low scores.",
        low=1.0,
        high=10.0,
    )
    min_similarity: float = 0.2


@dataclass(slots=True)
class PoseCacheOptions:
    """Poses of persons whose pixels did not change."""

    cache_size: int = live(
        50,
        "Poses remembered, to be used again while a person's pixels stay the same; 0: none.",
        low=0,
        high=1000,
    )


@dataclass(slots=True)
class SmoothingOptions:
    """The One-Euro filter of the joints.

    `beta` is in 1 / (box heights); speed in box heights a second, so distance plays no part.
    """

    enabled: bool = live(
        False,
        "Smooth joints (One-Euro filter); costs some latency.",
        name="enable_smoothing",
        flag="--smoothing",
    )
    min_cutoff_hz: float = live(
        1.5,
        "Cutoff at rest: lower is smoother and later.",
        name="smoothing_min_cutoff",
        low=0.01,
        high=100.0,
        unit="Hz",
    )
    beta: float = live(
        3.0,
        "Cutoff gained a body height per second of speed.",
        name="smoothing_beta",
        low=0.0,
        high=1000.0,
        unit="Hz",
    )
    speed_cutoff_hz: float = 1.0


@dataclass(slots=True)
class HybridOptions:
    """When hybrid takes V3 and when V4.

    With `follow_scene` it takes V4 as soon as the detector sees two persons, and V3 again once
    there was at most one for `calm_s`, so that somebody passing by does not switch it to and fro.
    """

    follow_scene: bool = live(
        True, "hybrid: switch by the number of persons seen.", name="hybrid_follow_scene"
    )
    max_persons: int = live(
        1,
        "hybrid, when not following: persons asked for.",
        name="hybrid_max_persons",
        low=1,
        high=256,
    )
    latency_critical: bool = live(
        True, "hybrid, when not following: v3 if one is asked for.", name="hybrid_latency_critical"
    )
    calm_s: float = 3.0


@dataclass(slots=True)
class PipelineOptions:
    """What may change while the pipelines run; every part reads it anew for each frame."""

    detector: DetectorOptions = field(default_factory=DetectorOptions)
    min_pose_score: float = live(
        0.2,
        "Least mean joint score of a person; a new track needs a `score` of 1.5 times as much, "
        "an existing one goes on from half as much.",
        low=0.0,
        high=1.0,
        flag=True,
    )
    detect_every: int = live(
        10, "v3: frames from one run of the detector to the next.", low=1, high=1000, flag=True
    )
    detect_every_many: int = live(
        1,
        "v4: likewise; above 1, newcomers wait that long, and boxes follow the poses in between.",
        low=1,
        high=1000,
    )
    tracking: TrackingOptions = field(default_factory=TrackingOptions)
    report_lost: bool = live(False, "List persons out of sight, LOST and without joints, too.")
    pose_cache: PoseCacheOptions = field(default_factory=PoseCacheOptions)
    smoothing: SmoothingOptions = field(default_factory=SmoothingOptions)
    hybrid: HybridOptions = field(default_factory=HybridOptions)


@dataclass(slots=True)
class NodeOptions:
    """What concerns the node as a whole."""

    cameras: list[str] = setting(
        [], "Names of several cameras; each has its topics under its name."
    )
    autostart: bool = setting(True, "Configure and activate when the node starts.")
    target_fps: float = live(
        0.0,
        "Highest rate of answered frames per camera; 0: no limit.",
        low=0.0,
        high=1000.0,
        unit="frames/s",
    )
    max_image_pixels: int = live(
        MAX_IMAGE_PIXELS,
        "Size of the largest image taken, checked before it is decoded.",
        low=1,
        high=1_000_000_000,
        unit="px",
    )
    max_memory_mb: float = live(
        0.0,
        "Memory budget: over it the node warns, and gives up cache and workers; 0: none.",
        low=0.0,
        high=1e6,
        unit="MB",
    )


@dataclass(slots=True)
class Settings:
    """Everything that a node, a command or a program can be told."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    topics: CameraTopics = field(default_factory=CameraTopics)
    node: NodeOptions = field(default_factory=NodeOptions)
    pipeline: PipelineOptions = field(default_factory=PipelineOptions)
