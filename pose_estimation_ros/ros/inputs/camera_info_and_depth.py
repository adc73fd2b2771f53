"""A camera's intrinsics and depth images, as they belong to its colour images."""

from __future__ import annotations

from collections.abc import Callable

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.messages.camera_info import to_camera
from pose_estimation_ros.io.messages.image import to_depth
from pose_estimation_ros.io.messages.message_types import CameraInfoMessage, ImageMessage, seconds

_OLD_DEPTH_S = 0.2


class CameraInfoAndDepth:
    """Keeps the newest CameraInfo and depth image; problems go to `warn`."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._model: CameraModel | None = None
        self._model_size = (0, 0)
        self._depth: ImageMessage | None = None

    def take_camera_info(self, message: CameraInfoMessage) -> None:
        """Keeps the intrinsics; invalid ones are dropped with a warning."""
        try:
            self._model, self._model_size = to_camera(message), (message.width, message.height)
        except InputError as error:
            self._model = None
            self._warn(f"{error}; until then there are no positions")

    def take_depth(self, message: ImageMessage) -> None:
        """Keeps the message; it is converted only for images that are answered."""
        self._depth = message

    def model_for(self, image: Image, topic: str) -> CameraModel | None:
        """The intrinsics, where they are of this image's size; None where there are none."""
        # Intrinsics of another size would put everybody in the wrong place.
        model, size = self._model, self._model_size
        if model is None or size in ((0, 0), (image.width, image.height)):
            return model
        self._warn(
            f"{topic}: camera_info is for {size[0]}x{size[1]} px, the image has "
            f"{image.width}x{image.height}: no positions until they agree"
        )
        return None

    def depth_at(self, stamp_s: float, max_pixels: int) -> FloatArray | None:
        """The depth (height, width) in metres of that time; None where there is none."""
        message = self._depth
        # A depth image of another moment would put the person where they were.
        if message is None or abs(seconds(message.header.stamp) - stamp_s) > _OLD_DEPTH_S:
            return None
        try:
            return to_depth(message, max_pixels)
        except InputError as error:
            self._warn(f"depth: {error}")
            return None
