"""A network that looks at whole images: letterbox, input tensor, one inference."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.letterbox import (
    LETTERBOX_GREY,
    Anchor,
    Letterbox,
    LetterboxTransform,
)
from pose_estimation_ros.engine.preprocessing import UNIT, ImageInput, Normalisation
from pose_estimation_ros.engine.runtimes import Runtime
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError

DEFAULT_SIZE = 320
_LARGEST_STEP = 64  # px; the first canvas fits grids of every kind
_MOST_CANVASES = 8  # cameras of ever new sizes must not fill the memory


class PreparedImage(NamedTuple):
    """The model's input for an image, how the image was fitted, and the canvas's size in px."""

    tensor: AnyArray
    transform: LetterboxTransform
    height: int
    width: int


class Feeding(NamedTuple):
    """How a family's networks are fed: normalisation, place on the canvas, and the px whose
    multiples the canvas's sides are.
    """

    norm: Normalisation
    anchor: Anchor
    step: int


def check_rows(name: str, outputs: Sequence[AnyArray], boxes: AnyArray, scores: AnyArray) -> None:
    """Checks that decoding found a box (n, 4) for every score (n,); `name` is the model's.

    Raises:
        ModelError: the outputs have other shapes than those that the decoder was chosen for.
    """
    if scores.ndim != 1 or boxes.shape != (len(scores), 4):
        shapes = [list(output.shape) for output in outputs]
        raise ModelError(f"{name} gave outputs of the shapes {shapes}, unlike at first")


class CanvasNetwork:
    """A model over any runtime that is given images fitted onto a canvas.

    Sizes, layout and type of the input are read off the model. One with a free input size gets a
    canvas that fits the image's proportions, `size` px on its longer side. May be used from
    several threads at once.
    """

    def __init__(self, runtime: Runtime, letterbox: bool = True, size: int = DEFAULT_SIZE) -> None:
        self.runtime = runtime
        self.input = ImageInput.of(runtime)
        self._size, self._keeps_proportions = size, letterbox
        self._lock = threading.Lock()
        self._letterboxes: dict[tuple[int, int, Anchor], Letterbox] = {}
        free = -(-size // _LARGEST_STEP) * _LARGEST_STEP
        self.height, self.width = self.input.height or free, self.input.width or free

    def blank_outputs(self) -> list[AnyArray]:
        """The outputs for a grey canvas of `height` and `width` px.

        They show the shapes where the file leaves them free, and are the warm-up that the first
        image would otherwise pay for.
        """
        blank = np.full((1, self.height, self.width, 3), LETTERBOX_GREY, np.uint8)
        return self.run(self.input.tensor(blank, "rgb", UNIT), self.height, self.width)

    def run(self, tensor: AnyArray, height: int, width: int) -> list[AnyArray]:
        """The outputs for one image, whatever the batch that the model computes."""
        batch = self.input.batch or 1
        if batch > 1:
            tensor = np.repeat(tensor, batch, axis=0)
        outputs = self.runtime.run(*self.input.with_others(self.runtime, tensor, height, width))
        if batch == 1:
            return outputs
        return [
            output[:1] if output.ndim > 1 and output.shape[0] == batch else output
            for output in outputs
        ]

    def prepare(self, image: Image, feeding: Feeding) -> PreparedImage:
        """The model's input for an image."""
        with self._lock:  # the canvas is shared
            letterbox = self._letterbox_for(image, feeding)
            transform = letterbox.apply(image.pixels)
            tensor = self.input.tensor(letterbox.canvas[None], image.order, feeding.norm)
            height, width = letterbox.canvas.shape[:2]
            return PreparedImage(tensor, transform, height, width)

    def _letterbox_for(self, image: Image, feeding: Feeding) -> Letterbox:
        height, width, step = self.input.height, self.input.width, feeding.step
        if height is None or width is None:
            longest = -(-self._size // step) * step
            ratio = longest / max(image.height, image.width)
            height = height or max(1, -(-round(image.height * ratio) // step)) * step
            width = width or max(1, -(-round(image.width * ratio) // step)) * step
        anchor: Anchor = feeding.anchor if self._keeps_proportions else "stretch"
        key = height, width, anchor
        if key not in self._letterboxes:
            if len(self._letterboxes) >= _MOST_CANVASES:
                self._letterboxes.clear()
            self._letterboxes[key] = Letterbox(*key)
        return self._letterboxes[key]
