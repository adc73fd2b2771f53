"""Augmentation of one person's crop at a time with OpenCV: a millisecond each on one core.

What ``augmentation.pose`` does for batches on a GPU, with the same shares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from training.augmentation.pose import (
    BLURRED,
    COARSE,
    COARSEST,
    CUT_SHARES,
    CUTS,
    MIN_JOINTS_LEFT,
    NOISY,
    PACKED,
    PATCHED,
)
from training.augmentation.scene_crops import SCALES
from training.common.data import BOX_IN_CROP, CROP_SIDE, ENLARGE, FLIP

CENTRE = (CROP_SIDE - 1) / 2
CUT_OFF = (
    0.3  # share of people of whom only a part is shown; many are cut by their picture already
)


@dataclass
class Sample:
    """A crop and its joints.

    Attributes:
        image: (h, w, 3) uint8 RGB.
        joints: (17, 3) x, y in px, z.
        weight: (17, 3) of x, y, of z, and whether the joint is absent.
    """

    image: np.ndarray
    joints: np.ndarray
    weight: np.ndarray


def augment(
    sample: Sample, other: np.ndarray, side: int, rng: np.random.Generator, strength: float = 1.0
) -> Sample:
    """Cut off a part, scale, shift, rotate, mirror, change colours, lose details, cover.

    Args:
        sample: a stored crop (256, 256, 3).
        other: (256, 256, 3) another one, to hide parts with.
        side: px of the result.
        strength: scales the chances of all but mirroring; below 1 towards the end of a training.
    """
    middle, longer = np.full(2, CENTRE), BOX_IN_CROP
    known = sample.weight[:, 0] > 0
    if rng.random() < CUT_OFF * strength:
        sample, middle, longer = cut_off(sample, other, rng)
    low, high = (1 + (end - 1) * strength for end in SCALES)
    extent = longer * ENLARGE * rng.uniform(low, high)
    middle = middle + (rng.normal(0, 0.05, 2) * strength).clip(-0.12, 0.12) * extent
    angle = 0.0
    if rng.random() < 0.6 * strength:
        angle = math.radians(rng.uniform(-180, 180) if rng.random() < 0.03 else rng.normal(0, 15))
    mirror = rng.random() < 0.5
    matrix = similarity(middle, side / extent, angle, mirror, side)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.15 * strength else cv2.BORDER_CONSTANT
    image = cv2.warpAffine(sample.image, matrix, (side, side), None, cv2.INTER_LINEAR, border)
    joints, weight = sample.joints.copy(), sample.weight.copy()
    joints[:, :2] = joints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if mirror:
        joints, weight, known = joints[list(FLIP)], weight[list(FLIP)], known[list(FLIP)]
    inside = np.all((joints[:, :2] >= 0) & (joints[:, :2] <= side - 1), axis=1)
    weight[:, :2] *= inside[:, None]
    weight[:, 2] = np.maximum(weight[:, 2], known & (weight[:, 0] == 0))
    image = degrade(recolour(image, rng, strength), rng, strength)
    if rng.random() < PATCHED * strength:
        patch(image, other, rng)
    return Sample(image, joints, weight)


def similarity(
    middle: np.ndarray, scale: float, angle: float, mirror: bool, side: int
) -> np.ndarray:
    """The affine (2, 3) that brings ``middle`` (2,) to the middle of ``side`` px."""
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    flip = -1.0 if mirror else 1.0
    linear = np.array(((flip * cos, -sin), (flip * sin, cos)))
    return np.column_stack((linear, (side - 1) / 2 - linear @ middle))


def cut_off(
    sample: Sample, other: np.ndarray, rng: np.random.Generator
) -> tuple[Sample, np.ndarray, float]:
    """A part of a person, as where a frame ends or a table hides the rest.

    Returns:
        The sample, the centre (2,) and the longer side of the box around the rest. A person of
        whom too few joints would be left stays whole.
    """
    whole = sample, np.full(2, CENTRE), float(BOX_IN_CROP)
    joints, seen = sample.joints, sample.weight[:, 0] > 0
    across = rng.random() < 0.2
    if across:
        axis, low_kept = 0, rng.random() < 0.5
        line = CENTRE + rng.normal(0, 0.12) * BOX_IN_CROP
    else:
        axis, low_kept = 1, rng.random() < 0.8
        pair = list(CUTS[rng.choice(len(CUTS), p=CUT_SHARES) if low_kept else 0])
        if not seen[pair].any():
            return whole
        line = joints[pair, 1][seen[pair]].mean() + rng.uniform(-0.06, 0.1) * BOX_IN_CROP
    line = int(np.clip(round(float(line)), 40, CROP_SIDE - 40))
    left = seen & ((joints[:, axis] < line) == low_kept)
    if left.sum() < MIN_JOINTS_LEFT:
        return whole
    low, high = joints[left, :2].min(0), joints[left, :2].max(0)
    margin = 0.12 * (high - low).max()
    low, high = low - margin, high + margin
    (high if low_kept else low)[axis] = line
    weight = sample.weight.copy()
    weight[:, :2] *= left[:, None]
    image, fill = sample.image, rng.random()
    if fill < 0.8:  # of the others only the crop is narrower: the picture goes on
        image = image.copy()
        beyond = slice(line, None) if low_kept else slice(0, line)
        region = (slice(None), beyond) if across else (beyond, slice(None))
        image[region] = 0 if fill < 0.5 else other[region]
    longer = max(float((high - low).max()), 0.35 * BOX_IN_CROP)
    return Sample(image, joints, weight), (low + high) / 2, longer


def recolour(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Gain, offset and gamma a channel, or grey."""
    if rng.random() < 0.8 * strength:
        gain = rng.uniform(0.7, 1.3) * rng.uniform(0.92, 1.08, 3)
        level = np.arange(256) / 255.0
        curve = level[:, None] ** rng.uniform(0.7, 1.4) * gain + rng.uniform(-0.12, 0.12)
        table = (curve * 255).clip(0, 255).round().astype(np.uint8)
        image = cv2.LUT(image, table.reshape(1, 256, 3))
    if rng.random() < 0.12 * strength:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        image = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    return image


def degrade(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Low resolution, blur, noise or JPEG's losses: one of them, or nothing."""
    draw, side = rng.random() / max(strength, 1e-6), image.shape[0]
    if draw < COARSE:
        small = (round(side / rng.uniform(1.2, COARSEST)),) * 2
        reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        return cv2.resize(reduced, (side, side), interpolation=cv2.INTER_LINEAR)
    draw -= COARSE
    if draw < BLURRED:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.8))
    draw -= BLURRED
    if draw < NOISY:
        noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(2, 15)
        return (image + noise).clip(0, 255).astype(np.uint8)
    draw -= NOISY
    if draw < PACKED:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(15, 70))]
        packed = cv2.imencode(".jpg", image, quality)[1]
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))
    return image


def patch(image: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> None:
    """A rectangle of another crop or of one colour in front, in place."""
    side = image.shape[0]
    width, height = (rng.uniform(0.08, 0.35, 2) * side).astype(int)
    x, y = int(rng.uniform(0, side - width)), int(rng.uniform(0, side - height))
    if rng.random() < 0.6:
        image[y : y + height, x : x + width] = other[y : y + height, x : x + width]
    else:
        image[y : y + height, x : x + width] = rng.integers(0, 256, 3)
