"""What goes into the engine and what comes out: images, detections, results."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray, ChannelOrder, FloatArray
from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.poses import Poses
from pose_estimation_ros.errors import InputError

LARGEST_SIDE = 32_766  # px, of an image that OpenCV can cut crops from
_LONGEST_SHOWN = 80  # characters
_COEFFICIENTS = (0, 4, 5, 8, 12, 14)  # of distortion that OpenCV takes


@dataclass(frozen=True, slots=True)
class Image:
    """An 8-bit colour image, possibly a view of somebody else's memory.

    `pixels` is (height, width, 3) uint8, rows may be padded; it is only ever read.

    Raises:
        InputError: it is no such image; the text says what came, and what to do.
    """

    pixels: ByteArray
    order: ChannelOrder = "bgr"

    def __post_init__(self) -> None:
        # Whatever came in unchecked would count as a failure of the models.
        pixels = self.pixels
        if not isinstance(pixels, np.ndarray):
            came = "None, as cv2.imread gives for a file that it cannot read"
            kind = f"{type(pixels).__module__.split('.')[0]}.{type(pixels).__name__}"
            kind = kind.removeprefix("builtins.")
            hint = "; numpy.asarray(image.convert('RGB'))[..., ::-1] makes one of it"
            from_pillow = kind.startswith("PIL.")
            raise _no_image(came if pixels is None else f"a {kind}", hint if from_pillow else "")
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            shape = "x".join(map(str, pixels.shape))
            raise _no_image(f"an array of {shape} {pixels.dtype}", _remedy(pixels))
        if max(pixels.shape[:2]) > LARGEST_SIDE:
            raise _no_image(
                f"{self.width}x{self.height} px",
                f"; sides of more than {LARGEST_SIDE} px: make it smaller, or cut it",
            )
        if self.order not in ("bgr", "rgb"):
            order = _shown(self.order)
            raise InputError(f"the image's order is {order}: expected 'bgr' or 'rgb'")

    @property
    def width(self) -> int:
        """px."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """px."""
        return int(self.pixels.shape[0])


def _no_image(came: str, remedy: str = "") -> InputError:
    return InputError(
        f"the image is {came}: expected BGR pixels as a NumPy array (height, width, 3) of "
        f"uint8{remedy}"
    )


def _remedy(pixels: np.ndarray) -> str:
    """What to do about an array that comes near."""
    shape = pixels.shape
    if pixels.size == 0:
        return "; it has no pixels"
    if pixels.ndim == 2 or (pixels.ndim == 3 and shape[2] == 1):
        return "; from grey: cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)"
    if pixels.ndim == 3 and shape[2] == 4:
        return "; without the fourth channel: cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)"
    if pixels.ndim == 4:
        return "; one image at a time"
    if pixels.ndim == 3 and shape[0] == 3 and shape[2] != 3:
        return "; channels last: image.transpose(1, 2, 0)"
    if pixels.ndim == 3 and shape[2] == 3:
        return "; convert it, for instance from 0..1: (255 * image).astype(numpy.uint8)"
    return ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of one camera and what is known about it.

    `stamp_s` is the time of capture in seconds of any steady clock: it drives tracking and
    smoothing. An image without it stands alone, so that whoever was seen before is forgotten.
    `depth_m` is an aligned depth image, (height, width) in metres, or None.
    `pixels_stay` promises that nobody changes the pixels after the answer (by drawing on them,
    say), so that a detector run in the background needs no copy.

    Raises:
        InputError: one of these is something else.
    """

    image: Image
    stamp_s: float | None = None
    camera: CameraModel | None = None
    depth_m: FloatArray | None = None
    pixels_stay: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.image, Image):
            raise InputError(
                f"the frame's image is a {type(self.image).__name__}: expected Image(pixels)"
            )
        if self.stamp_s is not None and not _is_finite(self.stamp_s):
            raise InputError(f"the stamp is {_shown(self.stamp_s)}: expected seconds, or None")
        if self.camera is not None:
            _check_camera(self.camera)
        depth = self.depth_m
        if isinstance(depth, np.ma.MaskedArray):
            raise InputError(
                "the depth is a masked array, whose mask would be lost: depth.filled(numpy.nan)"
            )
        if depth is not None and not (
            isinstance(depth, np.ndarray)
            and depth.ndim == 2
            and depth.size
            and depth.dtype.kind == "f"
        ):
            came = f"{depth.shape} {depth.dtype}" if isinstance(depth, np.ndarray) else ""
            raise InputError(
                f"the depth is a {type(depth).__name__} {came}".rstrip()
                + ": expected an array (height, width) of floats, in metres"
            )


def _shown(value: object) -> str:
    """A caller's value for an error, in one line of at most 80 characters."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python writes no integers of thousands of digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _is_finite(value: object) -> bool:
    """Whether it is a number; neither NaN, nor infinite, nor too large for a float."""
    if not isinstance(value, float | int | np.floating | np.integer):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _check_camera(camera: CameraModel) -> None:
    """Raises InputError where it is none, or its numbers would be taken for a model's failure."""
    if not isinstance(camera, CameraModel):
        kind = type(camera).__name__
        raise InputError(f"the camera is a {kind}: expected CameraModel(fx, fy, cx, cy)")
    for name in ("fx", "fy", "cx", "cy"):
        value = getattr(camera, name)
        if not _is_finite(value) or (name in ("fx", "fy") and value <= 0):
            more = " above 0" if name in ("fx", "fy") else ""
            raise InputError(
                f"the camera's {name} is {_shown(value)}: expected a number of px{more}"
            )
    distortion = camera.distortion
    least = 4 if camera.fisheye else 0
    if not (
        isinstance(distortion, tuple | list | np.ndarray)
        and getattr(distortion, "ndim", 1) == 1
        and all(map(_is_finite, distortion))
        and len(distortion) in _COEFFICIENTS
        and len(distortion) >= least * any(distortion)
    ):
        raise InputError(
            f"the camera's distortion is {_shown(distortion)}: expected "
            f"{'4' if camera.fisheye else '4, 5, 8, 12 or 14'} numbers, or none"
        )


@dataclass(frozen=True, slots=True)
class Detections:
    """Persons found by a detector: `boxes` (n, 4) px, `scores` (n,) in [0, 1], best first.

    `rough` boxes only hold their persons somewhere, as when the whole image is taken for one.
    `left_out` were found besides, beyond the most that are asked for.
    """

    boxes: FloatArray
    scores: FloatArray
    rough: bool = False
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def empty() -> Detections:
        """Nobody."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def only(self, index: int) -> Detections:
        """One of the persons."""
        return Detections(self.boxes[[index]], self.scores[[index]], self.rough)

    def best(self, most: int) -> Detections:
        """The first ones, at most that many."""
        more = max(len(self) - most, 0)
        return Detections(self.boxes[:most], self.scores[:most], self.rough, more)


@dataclass(slots=True)
class StageTimes:
    """Milliseconds that the engine spent on one frame, by stage."""

    detect_ms: float = 0.0
    pose_ms: float = 0.0
    track_ms: float = 0.0


@dataclass(slots=True)
class PoseResult:
    """The answer to one frame. `pipeline` is "v3" or "v4".

    Of the persons that the detector found, `estimated` were given to the pose model; `cache_hits`
    had not changed, so that their joints are those of an earlier frame. `stamp_went_back`: the
    frame's stamp was a little before that of the last one, as if both were of the same time.
    `left_out` persons were detected beyond `max_persons`.
    """

    poses: Poses
    pipeline: str
    times: StageTimes = field(default_factory=StageTimes)
    estimated: int = 0
    cache_hits: int = 0
    stamp_went_back: bool = False
    left_out: int = 0

    @property
    def skeleton(self) -> str:
        """The name of the skeleton."""
        return self.poses.skeleton.name
