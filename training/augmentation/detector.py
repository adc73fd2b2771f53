"""Whole scenes for the detector, as it is given frames, and what all its pictures share."""

from __future__ import annotations

import cv2
import numpy as np

from training.augmentation.scene_copy_paste import SceneCopyPaste
from training.common.image_pool import NOBODY_ELSE, SMALLEST, Pool, Source

GREY = 114
ZOOMED = 0.5  # share of whole scenes of which only a part is shown
LEAST_PART = 0.35  # of a side
STRETCH = 0.25  # log of the most that width to height is changed: many scenes were made square


def clip_boxes(
    boxes: np.ndarray, kind: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Clip boxes at the borders; slivers become unsure, boxes outside or tiny are dropped."""
    full = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1)
    cut = np.clip(boxes, 0, (width, height, width, height))
    sides = cut[:, 2:] - cut[:, :2]
    visible = sides.prod(1) / full
    kind = np.where((visible < 0.18) | (sides.max(1) < SMALLEST), -1, kind)
    keep = (sides.min(1) > 3) & (visible > 0.03)
    return cut[keep].astype(np.float32), kind[keep]


def colour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gain, offset and gamma a channel, grey, blur, noise, low resolution."""
    if rng.random() < 0.8:
        levels = np.arange(256, dtype=np.float32)[:, None] / 255
        gain = rng.uniform(0.7, 1.3) * rng.uniform(0.92, 1.08, 3)
        curve = levels ** rng.uniform(0.7, 1.4) * gain + rng.uniform(-0.12, 0.12)
        table = np.clip(curve * 255, 0, 255).astype(np.uint8)[None]
        image = cv2.LUT(np.ascontiguousarray(image), table)
    if rng.random() < 0.12:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    choice = rng.random()
    if choice < 0.08:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.8))
    elif choice < 0.16:
        small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (image.shape[1], image.shape[0]))
    elif choice < 0.24:
        quality = (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 70)))
        image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], 1))
    return image


def whole_scene(
    pool: Pool,
    side: int,
    rng: np.random.Generator,
    plain: bool = False,
    crops: float = 0.0,
    copy_paste: SceneCopyPaste | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A whole scene on grey, as the detector is given frames.

    Where nobody is but who is pasted in, a row of the kind ``NOBODY_ELSE`` is added.

    Args:
        pool: to draw from.
        side: px of the picture.
        rng: of everything random.
        plain: at full size and in its own colours.
        crops: share of pictures that are a person crop instead, down to half as large.
        copy_paste: pastes people into the picture; None: no people.
    """
    smallest = 0.8
    if rng.random() < crops:
        source, smallest = pool.crop(int(rng.integers(len(pool.crops)))), 0.5
    else:
        source = pool.draw_scene(rng)
    image, boxes, kind = source.image, source.boxes, source.kind
    if not plain and rng.random() < ZOOMED:
        image, boxes, kind = part_of(source, rng)
    height, width = image.shape[:2]
    wider = 0.0 if plain else rng.uniform(-STRETCH, STRETCH)
    stretch = np.exp((wider / 2, -wider / 2))
    scale = stretch * side / max((width, height) * stretch)
    scale *= 1.0 if plain else rng.uniform(smallest, 1.0)
    size = np.maximum(np.round((width, height) * scale), 1).astype(int)
    shift = (side - size) * rng.uniform(0.3, 0.7, 2)
    if rng.random() < 0.5:
        image = image[:, ::-1]
        boxes = boxes[:, (2, 1, 0, 3)] * (-1, 1, -1, 1) + (width, 0, width, 0)
    small = cv2.resize(np.ascontiguousarray(image), size.tolist(), interpolation=cv2.INTER_AREA)
    boxes = boxes * np.tile(scale, 2)
    if copy_paste:
        small, boxes, kind = copy_paste.paste(small, boxes, kind, rng)
    canvas = np.full((side, side, 3), GREY, np.uint8)
    x, y = (int(v) for v in shift)
    part = (small if plain else colour(small, rng))[: side - y, : side - x]
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    boxes = boxes + np.array((x, y, x, y))
    boxes, kind = clip_boxes(boxes.astype(np.float32), kind, side, side)
    if source.empty:
        boxes = np.concatenate((boxes, np.zeros((1, 4), np.float32)))
        kind = np.append(kind, NOBODY_ELSE)
    return canvas, boxes, kind


def part_of(source: Source, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A part of a scene, as a camera nearer to it shows it, with its boxes and their kinds."""
    whole = np.array(source.image.shape[1::-1])
    size = np.maximum(whole * np.exp(rng.uniform(np.log(LEAST_PART), 0, 2)), 32).astype(int)
    size = np.minimum(size, whole)
    x, y = ((whole - size) * rng.uniform(0, 1, 2)).astype(int)
    width, height = (int(v) for v in size)
    boxes = source.boxes - np.array((x, y, x, y), np.float32)
    part = source.image[y : y + height, x : x + width]
    return (part, *clip_boxes(boxes, source.kind, width, height))


def plain_scenes(pool: Pool, count: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Whole scenes as the detector is given frames: (count, side, side, 3)."""
    return np.stack([whole_scene(pool, side, rng, plain=True)[0] for _ in range(count)])
