"""What stands around the people of the demo's scene: a brick wall and counters, drawn."""

from __future__ import annotations

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray, FloatArray

_BRICK = 84.0, 30.0  # px in an image of 540 rows
_JOINT = 0.12  # of a brick's height
_WALL, _MORTAR, _WOOD = (118, 128, 138), (150, 158, 164), (58, 96, 140)  # BGR


def brick_wall(width: int, height: int) -> ByteArray:
    """A wall (height, width, 3) out of focus, lit by two lamps; BGR."""
    rng = np.random.default_rng(1)
    size = height / 540
    y, x = np.mgrid[:height, :width].astype(np.float32)
    course = y / (_BRICK[1] * size)
    row = course.astype(int)
    along = x / (_BRICK[0] * size) + 0.5 * (row % 2)
    tones = rng.uniform(0.84, 1.12, (row.max() + 1, int(along.max()) + 1)).astype(np.float32)
    brick = tones[row, along.astype(int)]
    joint_x = _JOINT * _BRICK[1] / _BRICK[0]
    joint = (course % 1 < _JOINT) | (along % 1 < joint_x)
    wall = np.where(joint[..., None], _colour(_MORTAR), brick[..., None] * _colour(_WALL))
    grain = cv2.GaussianBlur(rng.normal(0, 14, wall.shape[:2]), (0, 0), 1.2)
    wall = np.asarray(cv2.GaussianBlur(wall + grain[..., None], (0, 0), 1.6 * size))
    light = 0.72 + _lamp(x / width, y / height, 0.3, 0.5) + _lamp(x / width, y / height, 0.85, 0.3)
    return _bytes(wall * light[..., None])


def counter(width: int, height: int, seed: int) -> ByteArray:
    """The front of a wooden counter (height, width, 3), its bright edge on top; BGR."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(size=(height, max(width // 24, 2))), (0, 0), 3, sigmaY=0.8)
    grain = np.asarray(cv2.resize(noise, (width, height)))
    wood = _colour(_WOOD) * (1 + 0.18 * (grain / np.abs(grain).max())[..., None])
    edge = max(round(0.12 * height), 1)
    shade = np.full(height, 1.35, np.float32)
    shade[edge:] = np.linspace(0.85, 0.55, height - edge)
    shade[edge : edge + max(height // 50, 1)] = 0.5
    return _bytes(wood * shade[:, None, None])


def _colour(bgr: tuple[int, int, int]) -> FloatArray:
    return np.array(bgr, np.float32)


def _lamp(x: AnyArray, y: AnyArray, at: float, strength: float) -> AnyArray:
    """Light in [0, strength] of a lamp at `at`; x, y and `at` as shares of width and height."""
    glow: AnyArray = np.exp(-(((x - at) / 0.32) ** 2) - ((y - 0.15) / 0.6) ** 2) * strength
    return glow


def _bytes(image: AnyArray) -> ByteArray:
    return np.clip(image, 0, 255).astype(np.uint8)
