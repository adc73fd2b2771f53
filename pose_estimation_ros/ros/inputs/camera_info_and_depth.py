"""A camera's intrinsics and depth images, matched to its colour images."""

from __future__ import annotations

from collections.abc import Callable

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.camera_model import Calibration, CameraModel, is_rectified
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.messages.camera_info import to_calibration
from pose_estimation_ros.io.messages.depth_images import DepthImages, depth_of
from pose_estimation_ros.io.messages.message_types import CameraInfoMessage, ImageMessage


class CameraInfoAndDepth:
    """Keeps the newest CameraInfo and the last depth images; problems go to `warn`.

    `clock` gives the node's time in s.
    """

    def __init__(self, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._warn, self._clock = warn, clock
        self._calibration: Calibration | None = None
        self._depth = DepthImages()

    def take_camera_info(self, message: CameraInfoMessage) -> None:
        """Keeps the calibration; it is checked for images that are answered."""
        self._calibration = to_calibration(message)

    @property
    def knows_camera(self) -> bool:
        """Whether a calibration has come, even one without numbers."""
        return self._calibration is not None

    @property
    def is_calibrated(self) -> bool:
        """Whether one has come that has numbers."""
        calibration = self._calibration
        return calibration is not None and any((*calibration.k[:1], *calibration.p[:1]))

    def take_depth(self, message: ImageMessage) -> None:
        """Keeps the message; it is converted only for images that are answered."""
        self._depth.put(message, self._clock())

    def await_depth(self, stamp_s: float, came_s: float) -> None:
        """Waits a little for the depth of an image that came at `came_s`, by time.perf_counter."""
        self._depth.await_for(stamp_s, came_s)

    def model_for(self, image: Image, topic: str) -> CameraModel | None:
        """The camera model of an image of that topic; None, with a warning, where it is wrong."""
        if self._calibration is None:
            return None
        try:
            return self._calibration.camera_for(image.width, image.height, is_rectified(topic))
        except InputError as error:
            self._warn(f"{topic}: no positions: {error}")
            return None

    def depth_for(
        self, image: Image, stamp_s: float, received_s: float, max_pixels: int
    ) -> FloatArray | None:
        """The depth (height, width) in metres of an image; None where there is none.

        Args:
            image: the colour image.
            stamp_s: its stamp; 0 where it has none, and then the times of receipt are compared.
            received_s: when it came, by the node's clock.
            max_pixels: the limit of the depth image.
        """
        depth = self._depth.nearest(stamp_s)
        if depth is None:
            return None
        try:
            return depth_of(depth, image, stamp_s, received_s, max_pixels)
        except InputError as error:
            self._warn(f"depth image not used: {error}")
            return None
