"""A person detector of the YOLO kind over any runtime."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.detection.canvas_network import (
    DEFAULT_SIZE,
    CanvasNetwork,
    Feeding,
    PreparedImage,
    check_rows,
)
from pose_estimation_ros.engine.detection.heads import DetectorHead, detector_heads
from pose_estimation_ros.engine.detection.suppression import are_scores, suppress
from pose_estimation_ros.engine.runtimes import Runtime
from pose_estimation_ros.engine.types import Detections, Image
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import DetectorOptions

_log = logging.getLogger(__name__)

# A reading of a model is settled by an image in which it finds somebody with that score, and the
# other readings find nobody of nearly that score.
_SETTLED_SCORE, _SETTLED_RATIO = 0.3, 1.5


class NetworkDetector:
    """Letterbox, one inference, decoding and non-maximum suppression.

    The kind of output is read off its shapes and the metadata. Where families differ in nothing
    but how they are fed, all are tried on the images until one shows which it is.

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
        self._network = CanvasNetwork(runtime, letterbox, size)
        self._heads = detector_heads(
            self._network.blank_outputs(),
            self._network.height,
            self._network.width,
            self._network.input.dtype,
            runtime.metadata,
            str(runtime.path),
            decoder,
            classes,
        )

    @property
    def runtime(self) -> Runtime:
        """What runs the model."""
        return self._network.runtime

    @runtime.setter
    def runtime(self, runtime: Runtime) -> None:
        self._network.runtime = runtime

    def prepare(self, image: Image, head: DetectorHead | None = None) -> PreparedImage:
        """The model's input for an image, by default for the likeliest head; thread-safe."""
        head = head or self._heads[0]
        return self._network.prepare(image, Feeding(head.norm, head.anchor, head.step))

    def detect(self, image: Image, options: DetectorOptions, previous: FloatArray) -> Detections:
        """Persons of the image, best first, at most `max_persons`.

        Raises:
            ModelError: the model's outputs are not finite, or of another shape than at first.
        """
        heads = self._heads
        found = [self._detect(image, options, head) for head in heads]
        best = [float(one.scores.max(initial=0.0)) for one in found]
        read = [are_scores(one.scores) for one in found]
        if not any(read):
            raise ModelError(
                f"{self.name} gave scores up to {max(best):.4g}: expected 0 to 1, so name another "
                "--decoder or export it with such scores"
            )
        if len(heads) == 1:
            return found[0]
        best = [score if fits else -1.0 for score, fits in zip(best, read, strict=True)]
        first = int(np.argmax(best))  # of equal ones the likeliest
        second = max(score for place, score in enumerate(best) if place != first)
        if best[first] >= max(_SETTLED_SCORE, _SETTLED_RATIO * second):
            _log.info("%s is read as %s", self.name, heads[first].name)
            self._heads = [heads[first]]
        return found[first]

    def _detect(self, image: Image, options: DetectorOptions, head: DetectorHead) -> Detections:
        tensor, transform, height, width = self.prepare(image, head)
        outputs = self._network.run(tensor, height, width)
        boxes, scores = head.decode(outputs, height, width)
        check_rows(self.name, outputs, boxes, scores)
        boxes, scores = suppress(boxes, scores, options)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelError(f"{self.name} gave boxes that are not numbers")
        found = Detections(transform.to_image(boxes, image.width, image.height), scores)
        return found.best(options.max_persons)
