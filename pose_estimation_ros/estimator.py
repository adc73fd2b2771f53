"""The front door for Python programs: images in, poses out."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping
from functools import reduce
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.engine.skeletons import Skeleton
from pose_estimation_ros.engine.types import Frame, Image, PoseResult
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.io.image_files import ImagesSource
from pose_estimation_ros.io.live_camera import CameraSource
from pose_estimation_ros.io.prefetch import prefetched
from pose_estimation_ros.io.sources import open_frames
from pose_estimation_ros.io.timed_image import TimedImage
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig, PipelineOptions, Setting, settings_of
from pose_estimation_ros.settings import apply as apply_settings
from pose_estimation_ros.settings import check as check_settings


class StreamedFrame(NamedTuple):
    """One image of a stream, its poses, and its time in seconds since the stream began."""

    image: ByteArray
    poses: Poses
    stamp_s: float


class PoseEstimator:
    """Finds people and their joints, with the embedded models unless others are named.

        with PoseEstimator() as estimator:
            poses = estimator(cv2.imread("people.jpg"))

    Pipelines: "v3" follows one person at the lowest latency, "v4" finds everybody, "hybrid"
    switches between the two. Calls from several threads are answered one after another.

    Attributes:
        options: thresholds, tracking and smoothing; may be changed between two images.
    """

    def __init__(self, pipeline: str = "v4", **settings: Any) -> None:
        """Loads the models.

        Args:
            pipeline: "v3", "v4" or "hybrid".
            settings: any parameter of models, detection, poses and tracking by its name, such as
                `model_path="pose.onnx"` or `min_pose_score=0.3`; docs/parameters.md lists them.

        Raises:
            ConfigError: a setting is unknown or has a value that is not allowed.
            ModelError: no detector or no pose model can be loaded.
        """
        config, self.options = _read_settings(pipeline, settings)
        self._models = build_models(config)
        self._pipeline = build_pipeline(pipeline, self._models, self.options)
        try:
            self._models.load()
        except BaseException:
            self.close()
            raise

    @property
    def skeleton(self) -> Skeleton:
        """The joints of the poses and the bones between them: as asked for, else the model's."""
        return self._models.skeleton or self._models.pose.load().skeleton

    def __call__(
        self,
        image: ByteArray,
        stamp_s: float | None = None,
        camera: CameraModel | None = None,
    ) -> Poses:
        """Everyone in an image.

        Args:
            image: BGR pixels (height, width, 3) uint8, as OpenCV reads them.
            stamp_s: when the image of a sequence was taken, in seconds. Tracking and smoothing
                need it. Without it the image stands alone: whoever was seen before is forgotten.
            camera: intrinsics, for joints in metres.

        Raises:
            InputError: the image is none, or the stamp or the camera is something else.
            ConfigError: one of `options` was changed to a value that is not allowed.
            ModelError: no detector or no pose model is usable any more.
            ClosedError: the estimator is closed, or this is a fork of the process that made it.
        """
        return self.process(Frame(Image(image), stamp_s, camera)).poses

    def process(self, frame: Frame) -> PoseResult:
        """As a call, for callers that want the times of the stages or have a depth image."""
        if not isinstance(frame, Frame):
            kind = type(frame).__name__
            raise InputError(f"the frame is a {kind}: expected Frame(Image(pixels), stamp_s)")
        _check_options(self.options)
        return self._pipeline.process(frame)

    def stream(self, source: str | Path, sequence: bool = True) -> Iterator[StreamedFrame]:
        """Everyone in each image of a video file, a folder of images, a camera ("0") or a URL.

        Args:
            source: the file, the folder, the camera's number, or the stream's URL.
            sequence: whether the images of a folder follow each other, so that people are tracked
                from one to the next; if not, each stands alone.

        Raises:
            InputError: the source cannot be read.
        """
        if not isinstance(source, str | Path) or not str(source):
            came = "empty" if isinstance(source, str) else f"a {type(source).__name__}"
            raise InputError(
                f"the source is {came}: expected the path of a video, an image or a folder, a "
                "camera's number as text, or a URL; an array of pixels is given to the estimator"
            )
        frames = open_frames(str(source))
        live = isinstance(frames, CameraSource) and not frames.is_file
        apart = isinstance(frames, ImagesSource) and not sequence
        images: Generator[TimedImage, None, None]
        if isinstance(frames, CameraSource) and live:
            images = frames.timed_frames()  # read ahead, they would be old when they are answered
        else:
            images = prefetched(frames.timed_frames())
        self.reset()
        with contextlib.closing(images):
            for image in images:
                poses = self(image.pixels, None if apart else image.time_s)
                yield StreamedFrame(image.pixels, poses, image.time_s)

    def reset(self) -> None:
        """Forgets everyone; identities start anew."""
        self._pipeline.reset()

    def close(self) -> None:
        """Ends the threads of the models; every later call is an error."""
        self._models.close()

    def __enter__(self) -> PoseEstimator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


_LIVE = list(settings_of(PipelineOptions))


def _check_type(one: Setting, value: object) -> None:
    """Raises ConfigError where the value is of another type than the setting."""
    kind = type(one.default)
    # A whole number will do for a float, but True is no number.
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not (fits or (kind is float and type(value) is int)):
        raise ConfigError(f"{one.name}: expected a {kind.__name__}, got {value!r}")
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{one.name}: expected a list of texts, got {value!r}")


def _check_options(options: PipelineOptions) -> None:
    """Raises ConfigError where a caller has changed one to what would fail inside a model."""
    for one in _LIVE:
        value = reduce(getattr, one.path, options)
        _check_type(one, value)
        reason = one.refusal(value, one.name)
        if reason:
            raise ConfigError(reason)


def _read_settings(
    pipeline: str, settings: Mapping[str, Any]
) -> tuple[EngineConfig, PipelineOptions]:
    """What the settings of a caller come to.

    Raises:
        ConfigError: one is unknown or has a value that is not allowed.
    """
    config, options = EngineConfig(), PipelineOptions()
    known = {one.name: one for kind in (config, options) for one in settings_of(type(kind))}
    for name, value in settings.items():
        if name not in known:
            raise ConfigError(f"unknown setting '{name}': choose of {', '.join(known)}")
        _check_type(known[name], value)
    for target in (config, options):
        apply_settings(target, {**settings, "pipeline": pipeline})
        check_settings(target)
    return config, options
