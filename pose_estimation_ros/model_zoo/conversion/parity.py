"""Parity check: how far a converted model's outputs are from its source's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray
from pose_estimation_ros.engine.runtimes import load_runtime
from pose_estimation_ros.engine.runtimes.runtime import Runtime
from pose_estimation_ros.errors import ModelError

_SIDE = 320  # px, where the input's size is free
_SAMPLES = 3


def largest_relative_error(source: Path, converted: Path) -> float:
    """The largest error of any output on sample images, as a share of that output's largest value.

    NaN where an output is not a number.

    Raises:
        ModelError: either cannot be loaded, or their outputs have different shapes.
    """
    reference = load_runtime(source, "torch", 1)
    runtime = "tflite" if converted.suffix == ".tflite" else "onnxruntime"
    other = load_runtime(converted, runtime, 1)
    return float(np.max(list(_differences(reference, other))))


def _differences(reference: Runtime, other: Runtime) -> Iterator[float]:
    spec = other.inputs[0]
    shape = [size or (1 if axis == 0 else _SIDE) for axis, size in enumerate(spec.shape)]
    for seed in range(_SAMPLES):
        sample = sample_image(seed, shape, spec.dtype)
        expected, actual = reference.run(sample), other.run(sample)
        if len(expected) != len(actual):
            raise ModelError(
                f"the conversion has {len(actual)} outputs, its source {len(expected)}"
            )
        for one, two in zip(expected, actual, strict=True):
            if one.shape != two.shape:
                raise ModelError(
                    f"the conversion's output has the shape {list(two.shape)}, its source's "
                    f"{list(one.shape)}"
                )
            yield float(np.abs(one - two).max() / max(float(np.abs(one).max()), 1e-6))


def sample_image(seed: int, shape: Sequence[int], dtype: np.dtype) -> AnyArray:
    """Smooth random blobs, closer to images than white noise, in the shape of an input.

    Pixels are 0-255 for uint8 and [0, 1] for floats.
    """
    n = shape[0]
    first = shape[1] == 3
    height, width = (shape[2], shape[3]) if first else (shape[1], shape[2])
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (n, 12, 12, 3), np.uint8)
    images: ByteArray = np.stack([cv2.resize(c, (width, height), None, 0, 0, 2) for c in coarse])
    images = images.transpose(0, 3, 1, 2) if first else images
    if dtype == np.uint8:
        return np.ascontiguousarray(images)
    return np.ascontiguousarray(images, dtype=np.float32) / np.float32(255)
