"""A person detector of the YOLO kind over any runtime."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.detection.decoders import choose_detector_head
from pose_estimation_ros.engine.detection.suppression import suppress
from pose_estimation_ros.engine.letterbox import (
    LETTERBOX_GREY,
    Anchor,
    Letterbox,
    LetterboxTransform,
)
from pose_estimation_ros.engine.preprocessing import UNIT, ImageInput
from pose_estimation_ros.engine.runtimes import Runtime
from pose_estimation_ros.engine.types import Detections, Image
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import DetectorOptions

DEFAULT_SIZE = 320
_STEP = 32  # px; sizes of the canvas are multiples of it
_MOST_CANVASES = 8  # cameras of ever new sizes must not fill the memory


class PreparedImage(NamedTuple):
    """The model's input for an image, how the image was fitted, and the canvas's size in px."""

    tensor: AnyArray
    transform: LetterboxTransform
    height: int
    width: int


class NetworkDetector:
    """Letterbox, one inference, decoding and non-maximum suppression.

    Sizes, layout and type of the input are read off the model, the kind of output off its shapes.
    A model with a free input size gets a canvas that fits the image's proportions, `size` px on
    its longer side.
    """

    def __init__(self, runtime: Runtime, letterbox: bool = True, size: int = DEFAULT_SIZE) -> None:
        self.name = runtime.path.name
        self.runtime = runtime
        self._input = ImageInput.of(runtime)
        self._size = -(-size // _STEP) * _STEP
        self._lock = threading.Lock()
        self._letterboxes: dict[tuple[int, int], Letterbox] = {}
        height, width = self._input.height or self._size, self._input.width or self._size
        # A first run shows the shapes of the outputs where the file leaves them free, and is the
        # warm-up that the first image would otherwise pay for.
        blank = np.full((1, height, width, 3), LETTERBOX_GREY, np.uint8)
        outputs = runtime.run(self._input.tensor(blank, "rgb", UNIT))
        head = choose_detector_head(outputs, height, width, self._input.dtype, str(runtime.path))
        self._decode, self._norm = head.decode, head.norm
        self._anchor: Anchor = head.anchor if letterbox else "stretch"

    def _letterbox_for(self, image: Image) -> Letterbox:
        height, width = self._input.height, self._input.width
        if height is None or width is None:
            ratio = self._size / max(image.height, image.width)
            height = height or max(1, -(-round(image.height * ratio) // _STEP)) * _STEP
            width = width or max(1, -(-round(image.width * ratio) // _STEP)) * _STEP
        if (height, width) not in self._letterboxes:
            if len(self._letterboxes) >= _MOST_CANVASES:
                self._letterboxes.clear()
            self._letterboxes[height, width] = Letterbox(height, width, self._anchor)
        return self._letterboxes[height, width]

    def prepare(self, image: Image) -> PreparedImage:
        """The model's input for an image; thread-safe."""
        with self._lock:  # the canvas is shared
            letterbox = self._letterbox_for(image)
            transform = letterbox.apply(image.pixels)
            tensor = self._input.tensor(letterbox.canvas[None], image.order, self._norm)
            height, width = letterbox.canvas.shape[:2]
            return PreparedImage(tensor, transform, height, width)

    def detect(self, image: Image, options: DetectorOptions, previous: FloatArray) -> Detections:
        """Persons of the image, best first.

        Raises:
            ModelError: the model's outputs are not finite, or of another shape than at first.
        """
        tensor, transform, height, width = self.prepare(image)
        outputs = self.runtime.run(tensor)
        boxes, scores = self._decode(outputs, height, width)
        if scores.ndim != 1 or boxes.shape != (len(scores), 4):
            shapes = [list(output.shape) for output in outputs]
            raise ModelError(f"{self.name} gave outputs of the shapes {shapes}, unlike at first")
        boxes, scores = suppress(boxes, scores, options)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelError(f"{self.name} gave boxes that are not numbers")
        return Detections(transform.to_image(boxes, image.width, image.height), scores)
