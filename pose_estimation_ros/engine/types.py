"""The data that flows through the engine: NumPy arrays in small dataclasses.

Boxes are (x1, y1, x2, y2) edges in pixels of the image they belong to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pose_estimation_ros.engine.geometry import CameraModel

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]
IntArray = NDArray[np.int32]
AnyArray = NDArray[Any]

ChannelOrder = Literal["bgr", "rgb"]

# Values of PersonPose.track_state and PersonPose.depth_source in the messages.
TRACK_NEW, TRACK_TRACKED, TRACK_LOST = 0, 1, 2
DEPTH_NONE, DEPTH_BOX, DEPTH_ROOTNET, DEPTH_DEPTH_IMAGE = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Image:
    """An 8-bit colour image, possibly a view of somebody else's memory.

    `pixels` is (height, width, 3) uint8, rows may be padded; it is only ever read.
    """

    pixels: ByteArray
    order: ChannelOrder = "bgr"

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of one camera and what is known about it.

    `stamp_s` is the time of capture in seconds of any steady clock (it drives tracking and
    smoothing). `depth_m` is an aligned depth image, (height, width) in metres, or None.
    `pixels_stay` promises that nobody changes the pixels after the answer (by drawing on them,
    say), so that what is looked at later need not be copied.
    """

    image: Image
    stamp_s: float = 0.0
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
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class JointEstimates:
    """What a pose model says of n persons with k joints.

    `xy` (n, k, 2) px of the whole image; `scores` (n, k) in [0, 1]; `z_m` (n, k) metres behind the
    root joint (positive is farther from the camera), NaN where the model does not estimate depth.
    """

    xy: FloatArray
    scores: FloatArray
    z_m: FloatArray

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def empty(joints: int) -> JointEstimates:
        return JointEstimates(
            np.zeros((0, joints, 2), np.float32),
            np.zeros((0, joints), np.float32),
            np.zeros((0, joints), np.float32),
        )

    def take(self, which: AnyArray | list[int]) -> JointEstimates:
        """The persons of these indices, or those of a mask (n,)."""
        return JointEstimates(self.xy[which], self.scores[which], self.z_m[which])

    @staticmethod
    def join(parts: list[JointEstimates]) -> JointEstimates:
        """The persons of several estimates, in order."""
        if len(parts) == 1:
            return parts[0]
        return JointEstimates(
            np.concatenate([part.xy for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.z_m for part in parts]),
        )


@dataclass(slots=True)
class Poses:
    """Everyone in one image: n persons with k joints.

    `boxes` (n, 4) px; `scores` (n,); `joints` as estimated, perhaps smoothed; `positions_m`
    (n, k, 3) in the camera's optical frame, NaN where unknown; `track_ids` (n,), -1 where
    untracked; `track_states` (n,); `depth_sources` (n,).
    """

    boxes: FloatArray
    scores: FloatArray
    joints: JointEstimates
    positions_m: FloatArray
    track_ids: IntArray
    track_states: IntArray
    depth_sources: IntArray

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(slots=True)
class StageTimes:
    """Milliseconds that the engine spent on one frame, by stage."""

    detect_ms: float = 0.0
    pose_ms: float = 0.0
    track_ms: float = 0.0


@dataclass(slots=True)
class PoseResult:
    """The answer to one frame. `pipeline` is "v3" or "v4", `skeleton` a name of skeletons.py.

    Of the persons that the detector found, `estimated` were given to the pose model; `reused` did
    not change, so that their joints are those of an earlier frame.
    """

    poses: Poses
    pipeline: str
    skeleton: str
    times: StageTimes = field(default_factory=StageTimes)
    estimated: int = 0
    reused: int = 0
