"""Preprocessing: from 8-bit pixels to a model's input tensor, with its normalisation."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray, ChannelOrder
from pose_estimation_ros.engine.runtimes.runtime import Runtime
from pose_estimation_ros.errors import ModelError

_LARGEST_INPUT_PX = 2**26  # of a whole batch; buffers are as large as a file says

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Normalisation:
    """The pixels that a model expects: (value / divisor - mean) / std, in this channel order.

    `mean` and `std` are in the model's channel order. Models that take integers normalise
    themselves.
    """

    order: ChannelOrder = "rgb"
    divisor: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


UNIT = Normalisation()
RAW_BGR = Normalisation(order="bgr", divisor=1.0)
RAW_RGB = Normalisation(order="rgb", divisor=1.0)
IMAGENET = Normalisation(mean=IMAGENET_MEAN, std=IMAGENET_STD)
# MMDetection's families: the same values, with the channels in OpenCV's order.
IMAGENET_BGR = Normalisation("bgr", mean=IMAGENET_MEAN[::-1], std=IMAGENET_STD[::-1])
# What PaddleDetection's exports ask for beside the image: what it was scaled by, and its size.
_SCALE_INPUTS, _SIZE_INPUTS = ("scale_factor",), ("im_shape", "image_shape")


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The image input of a model, read off its tensor; sizes are None where they are free."""

    batch: int | None
    height: int | None
    width: int | None
    channels_first: bool
    dtype: np.dtype
    name: str = ""

    @staticmethod
    def of(runtime: Runtime) -> ImageInput:
        """Reads the input for images, the first of four dimensions.

        Raises:
            ModelError: there is none.
        """
        if not runtime.inputs:
            raise ModelError(f"{runtime.path} has no input")
        spec = next((one for one in runtime.inputs if len(one.shape) == 4), runtime.inputs[0])
        free = len(spec.shape) == 4 and spec.shape[1] is None and spec.shape[3] is None
        if len(spec.shape) != 4 or not (free or 3 in (spec.shape[1], spec.shape[3])):
            raise ModelError(
                f"{runtime.path}: input '{spec.name}' has the shape {spec.shape}, "
                "expected a batch of images (n, 3, height, width) or (n, height, width, 3)"
            )
        if spec.dtype == np.int8:
            raise ModelError(
                f"{runtime.path}: input '{spec.name}' is of type int8: export the model with "
                "uint8 or float pixels, and only its layers quantised"
            )
        first = free or spec.shape[1] == 3  # where all axes are free, as exporters to ONNX have it
        height, width = (spec.shape[2], spec.shape[3]) if first else (spec.shape[1], spec.shape[2])
        if (spec.shape[0] or 1) * (height or 1) * (width or 1) > _LARGEST_INPUT_PX:
            raise ModelError(
                f"{runtime.path}: input '{spec.name}' has the shape {spec.shape}, larger than any "
                "detector's or pose model's: get the model again"
            )
        return ImageInput(spec.shape[0], height, width, first, spec.dtype, spec.name)

    def with_others(
        self, runtime: Runtime, tensor: AnyArray, height: int, width: int
    ) -> list[AnyArray]:
        """The inputs in the model's order: the image's tensor, and its scale and size in px.

        Raises:
            ModelError: the model wants something else.
        """
        filled = []
        for spec in runtime.inputs:
            if spec.name == self.name:
                filled.append(tensor)
            elif spec.name in _SCALE_INPUTS:
                filled.append(np.ones((len(tensor), 2), spec.dtype))
            elif spec.name in _SIZE_INPUTS:
                filled.append(np.array([[height, width]] * len(tensor), spec.dtype))
            else:
                raise ModelError(
                    f"{runtime.path} has the input '{spec.name}' beside the image: export the "
                    "model with the image as its only input (no --decoder can fill others)"
                )
        return filled

    def tensor(self, images: ByteArray, order: ChannelOrder, norm: Normalisation) -> AnyArray:
        """Images (n, height, width, 3) of that channel order as the model's input tensor."""
        pixels: AnyArray = images
        if order != norm.order:
            # OpenCV swaps channels many times faster than a reversed NumPy view is copied.
            rows = images.reshape(-1, images.shape[2], 3)
            pixels = cv2.cvtColor(rows, cv2.COLOR_BGR2RGB).reshape(images.shape)
        if self.dtype.kind in "iu":
            pixels = pixels.transpose(0, 3, 1, 2) if self.channels_first else pixels
            return np.ascontiguousarray(pixels, dtype=self.dtype)
        scale = (1.0 / (norm.divisor * np.array(norm.std))).astype(np.float32)
        shift = (-np.array(norm.mean) / np.array(norm.std)).astype(np.float32)
        if self.channels_first:
            pixels = pixels.transpose(0, 3, 1, 2)
            scale, shift = scale[:, None, None], shift[:, None, None]
        result = np.empty(pixels.shape, np.float32)
        np.multiply(pixels, scale, out=result)
        if shift.any():
            result += shift
        return result.astype(self.dtype, copy=False)
