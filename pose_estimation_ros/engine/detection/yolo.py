"""A YOLO-like person detector over any runtime."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.detection.decoders import (
    choose_decoder,
    decode_labelled,
    decode_pair,
    decode_yolox,
    decode_yolox_px,
)
from pose_estimation_ros.engine.detection.detector import DetectorOptions
from pose_estimation_ros.engine.geometry import (
    LETTERBOX_GREY,
    Anchor,
    Letterbox,
    LetterboxTransform,
)
from pose_estimation_ros.engine.preprocessing import (
    IMAGENET,
    RAW_BGR,
    UNIT,
    ImageInput,
    Normalisation,
)
from pose_estimation_ros.engine.runtimes import Runtime
from pose_estimation_ros.engine.types import Detections, Image
from pose_estimation_ros.errors import ModelError

DEFAULT_SIZE = 320
_CANDIDATES = 300
_STEP = 32


class YoloDetector:
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
        self._boxes: dict[tuple[int, int], Letterbox] = {}
        height, width = self._input.height or self._size, self._input.width or self._size
        # A first run shows the shapes of the outputs where the file leaves them free, and is the
        # warm-up that the first image would otherwise pay for.
        blank = np.full((1, height, width, 3), LETTERBOX_GREY, np.uint8)
        outputs = runtime.run(self._input.tensor(blank, "rgb", UNIT))
        self._decode = choose_decoder(outputs, height, width, str(runtime.path))
        self._norm, anchor = self._convention()
        self._anchor: Anchor = anchor if letterbox else "stretch"

    def _convention(self) -> tuple[Normalisation, Anchor]:
        """How the model's family was trained: its files do not say."""
        if self._decode in (decode_yolox, decode_yolox_px, decode_labelled):
            return RAW_BGR, "top_left"
        if self._decode is decode_pair and self._input.dtype != np.uint8:
            return IMAGENET, "stretch"  # PicoDet
        return UNIT, "center"

    def _letterbox_for(self, image: Image) -> Letterbox:
        height, width = self._input.height, self._input.width
        if height is None or width is None:
            ratio = self._size / max(image.height, image.width)
            height = height or max(1, -(-round(image.height * ratio) // _STEP)) * _STEP
            width = width or max(1, -(-round(image.width * ratio) // _STEP)) * _STEP
        if (height, width) not in self._boxes:
            if len(self._boxes) >= 8:  # cameras of ever new sizes must not fill the memory
                self._boxes.clear()
            self._boxes[height, width] = Letterbox(height, width, self._anchor)
        return self._boxes[height, width]

    def prepare(self, image: Image) -> tuple[AnyArray, LetterboxTransform, tuple[int, int]]:
        """The model's input for an image, how it came about, and the canvas's height and width."""
        with self._lock:  # the canvas is shared
            letterbox = self._letterbox_for(image)
            transform = letterbox.apply(image.pixels)
            tensor = self._input.tensor(letterbox.canvas[None], image.order, self._norm)
            return tensor, transform, letterbox.canvas.shape[:2]

    def detect(self, image: Image, options: DetectorOptions, previous: FloatArray) -> Detections:
        """Persons of the image, best first.

        Raises:
            ModelError: the model's outputs are not finite, or of another shape than at first.
        """
        tensor, transform, (height, width) = self.prepare(image)
        outputs = self.runtime.run(tensor)
        boxes, scores = self._decode(outputs, height, width)
        if scores.ndim != 1 or boxes.shape != (len(scores), 4):
            shapes = [list(output.shape) for output in outputs]
            raise ModelError(f"{self.name} gave outputs of the shapes {shapes}, unlike at first")
        boxes, scores = suppress(boxes, scores, options)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelError(f"{self.name} gave boxes that are not numbers")
        return Detections(transform.to_image(boxes, image.width, image.height), scores)


def suppress(
    boxes: AnyArray, scores: AnyArray, options: DetectorOptions
) -> tuple[FloatArray, FloatArray]:
    """Non-maximum suppression: the boxes (n, 4) and scores (n,) that stay, best first."""
    # A comparison with NaN is false, so NaN scores would vanish here and look like "nobody".
    keep = np.flatnonzero(~(scores < options.confidence_threshold))
    if len(keep) > _CANDIDATES:
        keep = keep[np.argpartition(-scores[keep], _CANDIDATES)[:_CANDIDATES]]
    chosen = boxes[keep].astype(np.float32)
    confidence = scores[keep].astype(np.float32)
    if len(keep) == 0 or not np.isfinite(confidence).all():
        return chosen, confidence
    corner_size = np.concatenate([chosen[:, :2], chosen[:, 2:] - chosen[:, :2]], axis=1)
    stay = cv2.dnn.NMSBoxes(corner_size.tolist(), confidence.tolist(), 0.0, options.iou_threshold)
    order = np.asarray(stay, np.int64).reshape(-1)[: options.max_persons]
    return chosen[order], confidence[order]
