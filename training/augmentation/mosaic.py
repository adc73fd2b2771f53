"""Mosaics, groups and collages for the detector, composed on the fly."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from training.augmentation.detector import GREY, clip_boxes, colour
from training.common.image_pool import Pool, Source


def choose_window(
    source: Source, aspect: float, rng: np.random.Generator, tight: bool = False
) -> np.ndarray:
    """A window (x0, y0, x1, y1) of the source, ``aspect`` = height / width.

    Often the whole image or more; sometimes a person's upper part, or a patch without people;
    with ``tight`` a person's whole height and hardly more.
    """
    height, width = source.image.shape[:2]
    people = source.boxes[source.kind > 0]
    mode = rng.random()
    if tight and len(people):
        x0, y0, x1, y1 = people[rng.integers(len(people))]
        tall = (y1 - y0) * rng.uniform(0.9, 1.2)
        wide = tall / aspect
        left = (x0 + x1 - wide) / 2 + rng.uniform(-0.15, 0.15) * wide
        top = y0 - (tall - (y1 - y0)) * rng.uniform(0, 1)
        return np.array((left, top, left + wide, top + tall))
    if mode < 0.30 and len(people):
        x0, y0, x1, y1 = people[rng.integers(len(people))]
        tall = (y1 - y0) * rng.uniform(0.25, 0.75)
        margin = tall * rng.uniform(0.05, 0.6)
        side = tall + margin
        w = max(side / aspect, (x1 - x0) * rng.uniform(0.5, 1.2))
        left = (x0 + x1) / 2 - w / 2 + rng.uniform(-0.3, 0.3) * w
        top = y0 - margin
        return np.array((left, top, left + w, top + w * aspect))
    if mode < 0.52:
        empty = empty_window(source, aspect, rng)
        if empty is not None:
            return empty
    cover = max(width, height / aspect) if rng.random() < 0.5 else min(width, height / aspect)
    w = cover * np.exp(rng.uniform(np.log(0.5), np.log(1.3)))
    # Off the middle: a crop's person is in its middle, and must not be found by that.
    left = (width - w) * rng.uniform(0, 1) + w * rng.uniform(-0.35, 0.35)
    top = (height - w * aspect) * rng.uniform(0, 1) + w * aspect * rng.uniform(-0.3, 0.3)
    return np.array((left, top, left + w, top + w * aspect))


def empty_window(
    source: Source, aspect: float, rng: np.random.Generator, smallest: int = 32
) -> np.ndarray | None:
    """A window beside, above or below everybody; None where no such strip is wide enough."""
    height, width = source.image.shape[:2]
    strips = np.array([(0, 0, width, height)], float)
    if len(source.boxes):
        x0, y0 = source.boxes[:, :2].min(0)
        x1, y1 = source.boxes[:, 2:].max(0)
        strips = np.array(
            ((0, 0, x0, height), (x1, 0, width, height), (0, 0, width, y0), (0, y1, width, height))
        )
    # The widest window of the aspect that each strip holds.
    widest = np.minimum(strips[:, 2] - strips[:, 0], (strips[:, 3] - strips[:, 1]) / aspect)
    fitting = np.flatnonzero(np.minimum(widest, widest * aspect) >= smallest)
    if not len(fitting):
        return None
    chosen = rng.choice(fitting)
    left, top, right, bottom = strips[chosen]
    w = widest[chosen] * rng.uniform(0.6, 1)
    left += (right - left - w) * rng.random()
    top += (bottom - top - w * aspect) * rng.random()
    return np.array((left, top, left + w, top + w * aspect))


def patch(
    source: Source, width: int, height: int, rng: np.random.Generator, tight: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A window of the source at ``width`` x ``height`` px with its boxes and their kinds."""
    window = choose_window(source, height / width, rng, tight)
    scale = width / (window[2] - window[0])
    offset = -window[:2] * scale
    flip = rng.random() < 0.5
    image, step = source.image, 1
    while scale * step < 0.55:
        # Bilinear sampling alone aliases below half size.
        half = (max(image.shape[1] // 2, 1), max(image.shape[0] // 2, 1))
        image, step = cv2.resize(image, half, interpolation=cv2.INTER_AREA), step * 2
    matrix = np.array(((scale * step, 0, offset[0]), (0, scale * step, offset[1])))
    border = cv2.BORDER_CONSTANT
    if rng.random() < 0.3:
        border = cv2.BORDER_REPLICATE
    fill = (GREY,) * 3 if rng.random() < 0.5 else tuple(int(v) for v in rng.integers(0, 256, 3))
    out = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border,
        borderValue=fill,
    )  # fmt: skip
    boxes = source.boxes * scale + np.tile(offset, 2)
    if flip:
        out = out[:, ::-1]
        boxes = boxes[:, (2, 1, 0, 3)] * (-1, 1, -1, 1) + (width, 0, width, 0)
    return (out, *clip_boxes(boxes, source.kind, width, height))


def background(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A plain, graded or noisy picture."""
    start, end = rng.integers(0, 256, (2, 3))
    if rng.random() < 0.5:
        end = start
    axis = rng.integers(2)
    ramp = np.linspace(0, 1, (width, height)[axis])[:, None] * (end - start) + start
    ramp = ramp.astype(np.float32)
    image = np.broadcast_to(ramp[None] if axis == 0 else ramp[:, None], (height, width, 3))
    if rng.random() < 0.4:
        noise = rng.standard_normal((height, width, 1), np.float32)
        image = image + noise * np.float32(rng.uniform(2, 25))
    image = np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))
    for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.4 else 0):
        points = rng.integers(0, max(width, height), (2, 2))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        if rng.random() < 0.5:
            cv2.rectangle(image, points[0].tolist(), points[1].tolist(), colour, -1)
        else:
            cv2.circle(image, points[0].tolist(), int(rng.integers(4, height // 3)), colour, -1)
    return image


def mosaic_cells(
    side: int, rng: np.random.Generator, group: bool = False
) -> list[tuple[int, int, int, int]]:
    """Cells (x, y, w, h) of a jittered grid of 1x1 to 4x4 over the canvas.

    For a ``group`` the cells are as upright as a person, so that people stand side by side.
    """
    low, high = [(1, 1), (2, 2), (2, 3), (3, 4)][rng.choice(4, p=(0.25, 0.35, 0.25, 0.15))]
    rows, columns = rng.integers(low, high + 1, 2)
    if group:
        rows = rng.integers(1, 4)
        columns = rows * 2 + rng.integers(0, 2)

    def cuts(parts: int) -> np.ndarray:
        jitter = rng.uniform(-0.25, 0.25, parts - 1) if parts > 1 else np.zeros(0)
        inner = (np.arange(1, parts) + jitter) / parts
        return np.round(np.concatenate(([0], inner, [1])) * side).astype(int)

    xs, ys = cuts(int(columns)), cuts(int(rows))
    return [
        (int(x), int(y), int(x2 - x), int(y2 - y))
        for y, y2 in pairwise(ys)
        for x, x2 in pairwise(xs)
    ]


def collage_cells(side: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Rectangles (x, y, w, h) that do not overlap, with plain background between them."""
    cells: list[tuple[int, int, int, int]] = []
    wanted = int(rng.choice(6, p=(0.05, 0.15, 0.2, 0.2, 0.2, 0.2)))
    for _ in range(20):
        if len(cells) >= wanted:
            break
        w, h = (int(v) for v in side * rng.uniform(0.15, 0.75, 2))
        h = int(np.clip(h, 0.5 * w, 2.2 * w))
        x, y = int(rng.integers(0, max(side - w, 1))), int(rng.integers(0, max(side - h, 1)))
        w, h = min(w, side - x), min(h, side - y)
        apart = all(
            x >= cx + cw or cx >= x + w or y >= cy + ch or cy >= y + h for cx, cy, cw, ch in cells
        )
        if apart and min(w, h) > 16:
            cells.append((x, y, w, h))
    return cells


def compose(
    pool: Pool, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A mosaic or collage (side, side, 3) with boxes (k, 4) and kinds (k,)."""
    choice = rng.random()
    group = choice < 0.2
    if choice < 0.85:
        cells = mosaic_cells(side, rng, group)
        canvas = np.full((side, side, 3), GREY, np.uint8)
    else:
        cells = collage_cells(side, rng)
        canvas = background(side, side, rng)
    boxes, kinds = [np.zeros((0, 4), np.float32)], [np.zeros(0, int)]
    for x, y, w, h in cells:
        tight = group and rng.random() < 0.85
        picture, found, kind = patch(pool.draw(rng), w, h, rng, tight)
        canvas[y : y + h, x : x + w] = picture
        boxes.append(found + np.array((x, y, x, y), np.float32))
        kinds.append(kind)
    return colour(canvas, rng), np.concatenate(boxes), np.concatenate(kinds)
