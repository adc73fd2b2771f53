"""What goes into the engine and what comes out: images, detections, results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray, ChannelOrder, FloatArray
from pose_estimation_ros.engine.poses import Poses

if TYPE_CHECKING:
    from pose_estimation_ros.engine.camera_model import CameraModel


@dataclass(frozen=True, slots=True)
class Image:
    """An 8-bit colour image, possibly a view of somebody else's memory.

    `pixels` is (height, width, 3) uint8, rows may be padded; it is only ever read.
    """

    pixels: ByteArray
    order: ChannelOrder = "bgr"

    @property
    def width(self) -> int:
        """px."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """px."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of one camera and what is known about it.

    `stamp_s` is the time of capture in seconds of any steady clock: it drives tracking and
    smoothing. An image without it stands alone, so that whoever was seen before is forgotten.
    `depth_m` is an aligned depth image, (height, width) in metres, or None.
    `pixels_stay` promises that nobody changes the pixels after the answer (by drawing on them,
    say), so that a detector run in the background needs no copy.
    """

    image: Image
    stamp_s: float | None = None
    camera: CameraModel | None = None
    depth_m: FloatArray | None = None
    pixels_stay: bool = False


@dataclass(frozen=True, slots=True)
class Detections:
    """Persons found by a detector: `boxes` (n, 4) px, `scores` (n,) in [0, 1], best first.

    `rough` boxes only hold their persons somewhere, as when the whole image is taken for one.
    """

    boxes: FloatArray
    scores: FloatArray
    rough: bool = False

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def empty() -> Detections:
        """Nobody."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def only(self, index: int) -> Detections:
        """One of the persons."""
        return Detections(self.boxes[[index]], self.scores[[index]], self.rough)


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
    had not changed, so that their joints are those of an earlier frame.
    """

    poses: Poses
    pipeline: str
    times: StageTimes = field(default_factory=StageTimes)
    estimated: int = 0
    cache_hits: int = 0

    @property
    def skeleton(self) -> str:
        """The name of the skeleton."""
        return self.poses.skeleton.name
