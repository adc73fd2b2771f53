"""Top-down pose estimation: one crop per person, crops in batches, joints in image pixels."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Mapping

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray, FloatArray
from pose_estimation_ros.engine.geometry import crop_affine, crop_boxes, crop_to_image
from pose_estimation_ros.engine.pose.decoders import choose_pose_head
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.preprocessing import IMAGENET, ImageInput
from pose_estimation_ros.engine.runtimes import Runtime
from pose_estimation_ros.engine.skeletons import Skeleton, skeleton_of_model
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError

# How much larger than the box the crop is, where the model does not say: as the published ones.
CROP_ENLARGE = 1.25
# Batch size where the model leaves it free. On a CPU the time per crop no longer falls beyond 3,
# while memory and the wait for a cancelled frame grow; only accelerators gain from more.
CPU_BATCH, ACCELERATOR_BATCH = 4, 8
_ACCELERATED = ("onnxruntime-cuda", "onnxruntime-tensorrt")


class TopDownPose:
    """A pose model over any runtime. May be used from several threads at once.

    Input size, layout, type, the kind of output and the number of joints are read off the model;
    the skeleton and how much larger than the person's box its crop is (`crop_enlarge`) off its
    metadata, where it has them. Models that take floats are given ImageNet-normalised RGB, unless
    their family is trained with another normalisation.
    """

    def __init__(self, runtime: Runtime, skeleton: str = "", published: str = "") -> None:
        """`skeleton` is the name of the model's, where the file does not say it.

        Where neither does, and the one that is `published` has as many joints, it is meant.
        """
        self.name = runtime.path.name
        self.runtime = runtime
        self._input = ImageInput.of(runtime)
        if self._input.height is None or self._input.width is None:
            raise ModelError(
                f"{runtime.path} leaves its input size free, so the size it was trained with is "
                "unknown: export it with a fixed height and width"
            )
        self._height, self._width = self._input.height, self._input.width
        self._scratch = threading.local()
        self._fixed_batch = self._input.batch
        outputs = self._blank_outputs()
        source = str(runtime.path)
        head = choose_pose_head(outputs, self._width, runtime.metadata, source)
        self._decode, self._norm = head.decode, head.norm
        self.gives_depth = head.of_convnextpose
        free = ACCELERATOR_BATCH if runtime.name in _ACCELERATED else CPU_BATCH
        self.batch = self._fixed_batch or free
        self.enlarge = crop_enlarge(runtime.metadata, source)
        self.skeleton: Skeleton = skeleton_of_model(
            head.joints, runtime.metadata, source, skeleton, published, head.of_convnextpose
        )

    def _blank_outputs(self) -> list[AnyArray]:
        """The outputs for blank crops, which also warm the model up.

        Some exports say that any batch will do and only take one crop, or answer for the first.
        """
        if self._fixed_batch is None:
            outputs: list[AnyArray] = []
            # Whatever a runtime may throw; if it is not the batch, the next run throws it again.
            with contextlib.suppress(Exception):
                outputs = self._run_blank(2)
            if outputs and all(len(output) == 2 for output in outputs if output.ndim > 1):
                return outputs
            self._fixed_batch = 1
        return self._run_blank(self._fixed_batch)

    def _run_blank(self, crops: int) -> list[AnyArray]:
        blank = np.zeros((crops, self._height, self._width, 3), np.uint8)
        return self._run(self._input.tensor(blank, "rgb", IMAGENET))

    def _run(self, tensor: AnyArray) -> list[AnyArray]:
        inputs = self._input.with_others(self.runtime, tensor, self._height, self._width)
        return self.runtime.run(*inputs)

    def estimate(self, image: Image, boxes: FloatArray) -> JointEstimates:
        """Joints of the persons in the boxes (n, 4); at most `batch` go through at a time.

        Raises:
            ModelError: the model's outputs are not finite.
        """
        parts = [
            self._estimate_batch(image, boxes[start : start + self.batch])
            for start in range(0, len(boxes), self.batch)
        ]
        return (
            JointEstimates.concatenate(parts)
            if parts
            else JointEstimates.empty(len(self.skeleton.joints))
        )

    def _estimate_batch(self, image: Image, boxes: FloatArray) -> JointEstimates:
        n = len(boxes)
        shown = crop_boxes(boxes, self._width / self._height, self.enlarge)
        crops = self._crops(self._fixed_batch or n)
        for crop, box in zip(crops, shown, strict=False):
            affine = crop_affine(box, self._height, self._width)
            cv2.warpAffine(image.pixels, affine, (self._width, self._height), dst=crop)
        outputs = self._run(self._input.tensor(crops, image.order, self._norm))
        joints = self._decode(outputs, self._height, self._width)
        xy, scores, z = joints.xy[:n], joints.scores[:n], joints.z_m[:n]
        k = len(self.skeleton.joints)
        if (xy.shape, scores.shape, z.shape) != ((n, k, 2), (n, k), (n, k)):
            raise ModelError(f"{self.name} gave joints of the shape {xy.shape}, not {(n, k, 2)}")
        if not (np.isfinite(xy).all() and np.isfinite(scores).all()):
            raise ModelError(f"{self.name} gave joints that are not numbers")
        xy = crop_to_image(xy, shown, self._height, self._width)
        return JointEstimates(xy, scores.astype(np.float32), z.astype(np.float32))

    def _crops(self, n: int) -> ByteArray:
        """A buffer for n crops that the thread reuses."""
        buffer = getattr(self._scratch, "crops", None)
        if buffer is None or len(buffer) < n:
            shape = (max(n, self._fixed_batch or 1), self._height, self._width, 3)
            buffer = self._scratch.crops = np.zeros(shape, np.uint8)
        return buffer[:n]


def crop_enlarge(metadata: Mapping[str, str], source: str) -> float:
    """How many times larger than a person's box the model's crop is, by its metadata.

    Raises:
        ModelError: the metadata give something else than a number from 0.5 to 4.
    """
    text = metadata.get("crop_enlarge", str(CROP_ENLARGE))
    try:
        enlarge = float(text)
    except ValueError:
        enlarge = math.nan
    if not 0.5 <= enlarge <= 4:
        raise ModelError(
            f"{source} says crop_enlarge = {text[:40]!r} in its metadata: expected how many times "
            "larger than the person's box the crop is, from 0.5 to 4"
        )
    return enlarge
