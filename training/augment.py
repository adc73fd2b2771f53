"""Training pictures for the detector: mosaics, collages and scenes, composed on the fly."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from training.crowd import Crowd
from training.pool import SMALLEST, Pool, Source

GREY = 114
ZOOMED = 0.5  # share of whole scenes of which only a part is shown
LEAST_PART = 0.35  # of a side


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


def clip_boxes(
    boxes: np.ndarray, kind: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut boxes at the borders; slivers become unsure, what is out or tiny is dropped."""
    full = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1)
    cut = np.clip(boxes, 0, (width, height, width, height))
    sides = cut[:, 2:] - cut[:, :2]
    visible = sides.prod(1) / full
    kind = np.where((visible < 0.18) | (sides.max(1) < SMALLEST), -1, kind)
    keep = (sides.min(1) > 3) & (visible > 0.03)
    return cut[keep].astype(np.float32), kind[keep]


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
    pool: Pool, side: int, rng: np.random.Generator, plain: bool = False, crops: float = 0.0,
    crowd: Crowd | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """A whole scene on grey, as the detector is given frames; more often one of COCO's.

    Args:
        pool: to draw from.
        side: px of the picture.
        rng: of everything random.
        plain: at full size and in its own colours.
        crops: share of pictures that are a person crop instead, down to half as large.
        crowd: whom to put into the picture; None for nobody.
    """
    smallest = 0.8
    if rng.random() < crops:
        source, smallest = pool.crop(int(rng.integers(len(pool.crops)))), 0.5
    else:
        coco = pool.streets < len(pool.scenes) and rng.random() < 0.6
        low, high = (pool.streets, len(pool.scenes)) if coco else (0, pool.streets)
        source = pool.scene(int(rng.integers(low, high)))
    image, boxes, kind = source.image, source.boxes, source.kind
    if not plain and rng.random() < ZOOMED:
        image, boxes, kind = part_of(source, rng)
    height, width = image.shape[:2]
    scale = side / max(height, width) * (1.0 if plain else rng.uniform(smallest, 1.0))
    shift = (np.array((side, side)) - np.array((width, height)) * scale) * rng.uniform(0.3, 0.7, 2)
    if rng.random() < 0.5:
        image = image[:, ::-1]
        boxes = boxes[:, (2, 1, 0, 3)] * (-1, 1, -1, 1) + (width, 0, width, 0)
    size = (round(width * scale), round(height * scale))
    small = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    boxes = boxes * scale
    if crowd:
        small, boxes, kind = crowd.fill(small, boxes, kind, rng)
    canvas = np.full((side, side, 3), GREY, np.uint8)
    x, y = (int(v) for v in shift)
    part = (small if plain else colour(small, rng))[: side - y, : side - x]
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    boxes = boxes + np.array((x, y, x, y))
    return (canvas, *clip_boxes(boxes.astype(np.float32), kind, side, side))


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
