"""Skeletons and boxes drawn onto images."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from typing import Protocol

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import ByteArray, FloatArray
from pose_estimation_ros.engine.skeletons import Skeleton

Colour = tuple[int, int, int]
_DARK, _LIGHT = (24, 24, 24), (245, 245, 245)


def track_colour(track_id: int) -> Colour:
    """The BGR colour of a track, different from those of the next numbers."""
    if track_id < 0:
        return (180, 180, 180)
    hue = (track_id * 0.61803398875) % 1.0  # the golden ratio spreads any run of numbers evenly
    r, g, b = colorsys.hsv_to_rgb(hue, 0.75, 1.0)
    return int(b * 255), int(g * 255), int(r * 255)


class DrawnPerson(Protocol):
    """What is drawn of a person; see `Person`."""

    @property
    def box(self) -> FloatArray: ...
    @property
    def score(self) -> float: ...
    @property
    def xy(self) -> FloatArray: ...
    @property
    def joint_scores(self) -> FloatArray: ...
    @property
    def track_id(self) -> int: ...
    @property
    def skeleton(self) -> Skeleton: ...


def draw_poses(
    pixels: ByteArray, persons: Iterable[DrawnPerson], min_joint_score: float = 0.2
) -> None:
    """Draws everyone onto (height, width, 3) BGR pixels, in place.

    Joints with a score below `min_joint_score` are left out.
    """
    unit = max(1, round(min(pixels.shape[:2]) / 240))
    limit = float(4 * max(pixels.shape[:2]))
    for person in persons:
        skeleton = person.skeleton
        joints = np.clip(np.nan_to_num(person.xy), -limit, limit)
        xy = joints.round().astype(int).tolist()
        shown = (person.joint_scores >= min_joint_score).tolist()
        box = np.clip(person.box, -limit, limit).round().astype(int).tolist()
        colour = track_colour(person.track_id)
        cv2.rectangle(pixels, box[:2], box[2:], colour, unit, cv2.LINE_AA)
        large = set(skeleton.groups[0][1])  # a face's and a hand's joints are closer together
        for first, second in skeleton.bones:
            if shown[first] and shown[second]:
                side = skeleton.bone_colour((first, second))
                width = 2 * unit if large.issuperset((first, second)) else unit
                cv2.line(pixels, xy[first], xy[second], _DARK, width + 2, cv2.LINE_AA)
                cv2.line(pixels, xy[first], xy[second], side, width, cv2.LINE_AA)
        for joint, point in enumerate(xy):
            if shown[joint]:
                radius = 2 * unit if joint in large else unit
                cv2.circle(pixels, point, radius, _LIGHT, -1, cv2.LINE_AA)
                cv2.circle(pixels, point, radius, _DARK, 1, cv2.LINE_AA)
        label = f"{person.track_id} " if person.track_id >= 0 else ""
        draw_label(pixels, f"{label}{person.score:.2f}", (box[0], box[1]), colour)


def draw_label(
    pixels: ByteArray, text: str, corner: tuple[int, int], colour: Colour = _LIGHT
) -> None:
    """Writes a line of text on a dark background; `corner` is the bottom left of it, px."""
    scale = max(0.4, min(pixels.shape[:2]) / 900)
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = min(max(corner[0], 0), max(0, pixels.shape[1] - width - 4))
    y = min(max(corner[1], height + base + 2), pixels.shape[0])
    cv2.rectangle(pixels, (x, y - height - base - 2), (x + width + 4, y), _DARK, -1)
    cv2.putText(
        pixels,
        text,
        (x + 2, y - base),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        colour,
        1,
        cv2.LINE_AA,
    )
