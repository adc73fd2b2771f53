"""The distance of a person's root joint from the camera."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.geometry import crop_affine, crop_boxes
from pose_estimation_ros.engine.poses import DEPTH_BOX, DEPTH_ROOTNET
from pose_estimation_ros.engine.preprocessing import IMAGENET, ImageInput
from pose_estimation_ros.engine.runtimes import Runtime
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError

# A person's box, made square and enlarged, is taken to span 2 m x 2 m: the k of RootNet.
# Source: Moon et al., "Camera Distance-aware Top-down Approach", ICCV 2019, section 4.2.
PERSON_SPAN_M = 2.0
_ENLARGE = 1.25
_PATCHES = (3, 6, 12)  # half sides of the patches of the depth image, px
_MIN_VALID = 0.1  # share of a patch that must not be holes
_BODY_M = 0.5  # depth of a body: what is farther from its near part is background


class RootDepth(Protocol):
    """A way to tell distances from an image; `source` is a value of PersonPose.depth_source."""

    name: str
    source: int

    def depths(self, image: Image, boxes: FloatArray, camera: CameraModel) -> FloatArray:
        """Distances (n,) in metres along z of the persons in the boxes (n, 4)."""
        ...


class BoxDepth:
    """From the size of the box alone, as a person is about 2 m tall."""

    name = "box size"
    source = DEPTH_BOX

    def depths(self, image: Image, boxes: FloatArray, camera: CameraModel) -> FloatArray:
        square = crop_boxes(boxes, 1.0, _ENLARGE)
        side = np.maximum(square[:, 2] - square[:, 0], 1.0)
        return (np.sqrt(camera.fx * camera.fy) * PERSON_SPAN_M / side).astype(np.float32)


class RootNet:
    """A RootNet model over any runtime: it corrects the box's k by what the crop shows.

    Inputs: images (n, 3, 256, 256) ImageNet-normalised RGB, and k (n, 1) in mm. Output: the depth
    in mm as the last column of (n, columns), as the official network's forward gives it.
    """

    source = DEPTH_ROOTNET

    def __init__(self, runtime: Runtime) -> None:
        """Checks the model's inputs.

        Raises:
            ModelError: they are not an image and k.
        """
        self.name = runtime.path.name
        self._runtime = runtime
        self._input = ImageInput.of(runtime)
        if len(runtime.inputs) != 2 or self._input.height is None or self._input.width is None:
            shapes = [list(spec.shape) for spec in runtime.inputs]
            raise ModelError(
                f"{runtime.path} has inputs of shapes {shapes}, expected those of RootNet: an "
                "image (n, 3, 256, 256) and k (n, 1)"
            )
        self._size = (self._input.height, self._input.width)

    def depths(self, image: Image, boxes: FloatArray, camera: CameraModel) -> FloatArray:
        """As RootDepth.depths.

        Raises:
            ModelError: the model's output is not a positive distance for every person.
        """
        height, width = self._size
        shown = crop_boxes(boxes, width / height, _ENLARGE)
        crops = np.empty((len(boxes), height, width, 3), np.uint8)
        for crop, box in zip(crops, shown, strict=True):
            cv2.warpAffine(
                image.pixels, crop_affine(box, height, width), (width, height), dst=crop
            )
        k_mm = BoxDepth().depths(image, boxes, camera)[:, None] * 1e3
        tensor = self._input.tensor(crops, image.order, IMAGENET)
        output = np.concatenate(
            [
                self._runtime.run(tensor[i : i + step], k_mm[i : i + step])[0].reshape(step, -1)
                for step in [self._input.batch or len(boxes)]
                for i in range(0, len(boxes), step)
            ]
        )
        metres = output[:, -1] * 1e-3
        if not (np.isfinite(metres).all() and (metres > 0).all()):
            raise ModelError(f"{self.name} gave distances that are not positive numbers")
        return metres.astype(np.float32)


def depth_at(depth_m: FloatArray, point: FloatArray, image_size: tuple[int, int]) -> float:
    """The median distance in metres around an image pixel; NaN where there are only holes.

    The patch grows where it is all holes. Where it reaches beyond the person's outline, the
    background does not count. The depth image may be of another size than the image (width,
    height) that it is aligned with.
    """
    rows, columns = depth_m.shape
    if not np.isfinite(point).all():
        return float("nan")
    x = int(np.floor(point[0] * columns / image_size[0]))
    y = int(np.floor(point[1] * rows / image_size[1]))
    if not (0 <= x < columns and 0 <= y < rows):
        return float("nan")
    for half in _PATCHES:
        patch = depth_m[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
        valid = patch[np.isfinite(patch) & (patch > 0)]
        if len(valid) >= _MIN_VALID * patch.size:
            near = np.percentile(valid, 25)
            return float(np.median(valid[np.abs(valid - near) <= _BODY_M]))
    return float("nan")
