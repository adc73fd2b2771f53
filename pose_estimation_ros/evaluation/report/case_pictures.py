"""Draws the best and worst cases of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray
from pose_estimation_ros.engine.drawing import draw_label
from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.evaluation.coco_metrics import Case
from pose_estimation_ros.io.image_files import write_picture

_TILE, _COLUMNS, _GAP, _HEAD = 300, 4, 6, 34
_TRUTH, _GUESS, _MISSED = (90, 220, 90), (60, 140, 255), (70, 70, 240)
_GROUND = (40, 36, 34)


def draw_cases(path: Path, cases: Sequence[Case], image: Callable[[int], ByteArray]) -> None:
    """Writes a picture of the best and worst cases: annotation green, prediction orange.

    Raises:
        InputError: an image is missing, or the picture cannot be written.
    """
    ranked = sorted(cases, key=lambda case: case.oks)
    worst = ranked[: min(2 * _COLUMNS, len(ranked) - len(ranked) // 2)]
    best = ranked[len(worst) :][::-1][:_COLUMNS]
    bands = []
    for title, chosen in (("best", best), ("worst", worst)):
        if not chosen:
            continue
        bands.append(_heading(f"{title}: annotated green, estimated orange"))
        for start in range(0, len(chosen), _COLUMNS):
            row = chosen[start : start + _COLUMNS]
            bands.append(_row([_tile(case, image(case.person.image_id)) for case in row]))
    write_picture(path, np.concatenate(bands))


def _width() -> int:
    return _COLUMNS * (_TILE + _GAP) + _GAP


def _heading(text: str) -> ByteArray:
    band = np.full((_HEAD, _width(), 3), _GROUND, np.uint8)
    place = (_GAP, _HEAD - 10)
    cv2.putText(band, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (240, 240, 240), 1, cv2.LINE_AA)
    return band


def _row(tiles: Sequence[ByteArray]) -> ByteArray:
    band = np.full((_TILE + _GAP, _width(), 3), _GROUND, np.uint8)
    for index, tile in enumerate(tiles):
        left = _GAP + index * (_TILE + _GAP)
        band[:_TILE, left : left + _TILE] = tile
    return band


def _tile(case: Case, pixels: ByteArray) -> ByteArray:
    """Draws a person's surroundings with both skeletons."""
    x, y, width, height = case.person.box
    side = 1.3 * max(width, height)
    scale = _TILE / side
    left, top = x + width / 2 - side / 2, y + height / 2 - side / 2
    affine = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    shown = cv2.warpAffine(pixels, affine, (_TILE, _TILE), borderValue=_GROUND)
    tile: ByteArray = np.asarray(shown, np.uint8)
    truth = case.person.joints
    _skeleton(tile, (truth[:, :2] - (left, top)) * scale, truth[:, 2] > 0, _TRUTH)
    text = f"OKS {case.oks:.2f}"
    if case.joints is None:
        text = "missed"
    else:
        guess = (case.joints[:, :2] - (left, top)) * scale
        _skeleton(tile, guess, np.ones(len(guess), bool), _GUESS)
    draw_label(tile, text, (4, 20), _MISSED if case.joints is None else (245, 245, 245))
    return tile


def _skeleton(tile: AnyArray, xy: AnyArray, shown: AnyArray, colour: tuple[int, int, int]) -> None:
    points = np.clip(xy, -4 * _TILE, 4 * _TILE).round().astype(int).tolist()
    for first, second in COCO17.bones:
        if shown[first] and shown[second]:
            cv2.line(tile, points[first], points[second], colour, 2, cv2.LINE_AA)
    for point, is_shown in zip(points, shown, strict=True):
        if is_shown:
            cv2.circle(tile, point, 3, colour, -1, cv2.LINE_AA)
