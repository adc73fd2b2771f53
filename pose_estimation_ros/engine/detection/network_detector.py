"""A person detector of the YOLO kind over any runtime."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.detection.heads import DetectorHead, detector_heads
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

_log = logging.getLogger(__name__)

DEFAULT_SIZE = 320
_LARGEST_STEP = 64  # px; the first canvas fits grids of every kind
_MOST_CANVASES = 8  # cameras of ever new sizes must not fill the memory
# A reading of a model is settled by an image in which it finds somebody with that score, and the
# other readings find nobody of nearly that score.
_SETTLED_SCORE, _SETTLED_RATIO = 0.3, 1.5


class PreparedImage(NamedTuple):
    """The model's input for an image, how the image was fitted, and the canvas's size in px."""

    tensor: AnyArray
    transform: LetterboxTransform
    height: int
    width: int


class NetworkDetector:
    """Letterbox, one inference, decoding and non-maximum suppression.

    Sizes, layout and type of the input are read off the model, the kind of output off its shapes
    and metadata. Where families differ in nothing but how they are fed, all are tried on the
    images until one shows which it is. A model with a free input size gets a canvas that fits the
    image's proportions, `size` px on its longer side.

    `decoder` and `classes` say what the file does not: the kind of output, and the numbers of the
    classes that are persons.
    """

    def __init__(
        self,
        runtime: Runtime,
        letterbox: bool = True,
        size: int = DEFAULT_SIZE,
        decoder: str = "",
        classes: Sequence[int] = (),
    ) -> None:
        self.name = runtime.path.name
        self.runtime = runtime
        self._input = ImageInput.of(runtime)
        self._size, self._keeps_proportions = size, letterbox
        self._lock = threading.Lock()
        self._letterboxes: dict[tuple[int, int, Anchor], Letterbox] = {}
        free = -(-size // _LARGEST_STEP) * _LARGEST_STEP
        height, width = self._input.height or free, self._input.width or free
        # A first run shows the shapes of the outputs where the file leaves them free, and is the
        # warm-up that the first image would otherwise pay for.
        blank = np.full((1, height, width, 3), LETTERBOX_GREY, np.uint8)
        outputs = self._run(self._input.tensor(blank, "rgb", UNIT), height, width)
        self._heads = detector_heads(
            outputs,
            height,
            width,
            self._input.dtype,
            runtime.metadata,
            str(runtime.path),
            decoder,
            classes,
        )

    def _run(self, tensor: AnyArray, height: int, width: int) -> list[AnyArray]:
        """The outputs for one image, whatever the batch that the model computes."""
        batch = self._input.batch or 1
        if batch > 1:
            tensor = np.repeat(tensor, batch, axis=0)
        outputs = self.runtime.run(*self._input.with_others(self.runtime, tensor, height, width))
        if batch == 1:
            return outputs
        return [
            output[:1] if output.ndim > 1 and output.shape[0] == batch else output
            for output in outputs
        ]

    def _letterbox_for(self, image: Image, head: DetectorHead) -> Letterbox:
        height, width = self._input.height, self._input.width
        if height is None or width is None:
            longest = -(-self._size // head.step) * head.step
            ratio = longest / max(image.height, image.width)
            height = height or max(1, -(-round(image.height * ratio) // head.step)) * head.step
            width = width or max(1, -(-round(image.width * ratio) // head.step)) * head.step
        anchor: Anchor = head.anchor if self._keeps_proportions else "stretch"
        key = height, width, anchor
        if key not in self._letterboxes:
            if len(self._letterboxes) >= _MOST_CANVASES:
                self._letterboxes.clear()
            self._letterboxes[key] = Letterbox(*key)
        return self._letterboxes[key]

    def prepare(self, image: Image, head: DetectorHead | None = None) -> PreparedImage:
        """The model's input for an image, by default for the likeliest head; thread-safe."""
        head = head or self._heads[0]
        with self._lock:  # the canvas is shared
            letterbox = self._letterbox_for(image, head)
            transform = letterbox.apply(image.pixels)
            tensor = self._input.tensor(letterbox.canvas[None], image.order, head.norm)
            height, width = letterbox.canvas.shape[:2]
            return PreparedImage(tensor, transform, height, width)

    def detect(self, image: Image, options: DetectorOptions, previous: FloatArray) -> Detections:
        """Persons of the image, best first, at most `max_persons`.

        Raises:
            ModelError: the model's outputs are not finite, or of another shape than at first.
        """
        heads = self._heads
        if len(heads) == 1:
            return self._detect(image, options, heads[0])
        found = [self._detect(image, options, head) for head in heads]
        best = [float(one.scores.max(initial=0.0)) for one in found]
        first = int(np.argmax(best))  # of equal ones the likeliest
        second = max(score for place, score in enumerate(best) if place != first)
        if best[first] >= max(_SETTLED_SCORE, _SETTLED_RATIO * second):
            _log.info("%s is read as %s", self.name, heads[first].name)
            self._heads = [heads[first]]
        return found[first]

    def _detect(self, image: Image, options: DetectorOptions, head: DetectorHead) -> Detections:
        tensor, transform, height, width = self.prepare(image, head)
        outputs = self._run(tensor, height, width)
        boxes, scores = head.decode(outputs, height, width)
        if scores.ndim != 1 or boxes.shape != (len(scores), 4):
            shapes = [list(output.shape) for output in outputs]
            raise ModelError(f"{self.name} gave outputs of the shapes {shapes}, unlike at first")
        boxes, scores = suppress(boxes, scores, options)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelError(f"{self.name} gave boxes that are not numbers")
        found = Detections(transform.to_image(boxes, image.width, image.height), scores)
        return found.best(options.max_persons)
