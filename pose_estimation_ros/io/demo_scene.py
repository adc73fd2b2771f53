"""A moving scene of people, made of the photographs in config/demo_scene.

Grace Hopper, a cameraman and the astronaut Eileen Collins, cut out of photographs that are free
of rights (NOTICE), stand behind counters in front of a wall and sway.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray, FloatArray, IntArray
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.demo_outlines import ASTRONAUT, CAMERAMAN, GRACE_HOPPER
from pose_estimation_ros.io.demo_set import brick_wall, counter
from pose_estimation_ros.package_files import share_folder

_PERIOD_S = 8.0
_COUNTER = 0.16  # of a row's height
_ROOM = 0.88  # of the room above the counter, for the tallest person
_WIDTH = 0.92  # of a cell, for the widest person
_BREATHING = 0.06  # change of size
# Of a person's height: how far up and down, and how much is kept below the counter's edge.
_LIFT, _HIDDEN = 0.016, 0.03


@dataclass(frozen=True)
class _Person:
    """A person cut out of a photograph.

    Attributes:
        pixels: (h, w, 3) BGR.
        opacity: (h, w, 1) in [0, 1].
        outline: (n, 2) px x, y of what is above the counter.
        counter: the row at which the counter begins.
    """

    pixels: ByteArray
    opacity: FloatArray
    outline: AnyArray
    counter: float

    @property
    def size(self) -> AnyArray:
        """Width and height in px above the counter."""
        return np.array((np.ptp(self.outline[:, 0]), self.counter - self.outline[:, 1].min()))

    def shrunk(self, factor: float) -> _Person:
        """The person at less px, each the mean of those that were there."""
        if factor >= 1:
            return self
        size = [max(round(side * factor), 1) for side in self.opacity.shape[1::-1]]
        pixels = cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA)
        opacity = cv2.resize(self.opacity, size, interpolation=cv2.INTER_AREA)
        ratio = np.array(size) / self.opacity.shape[1::-1]
        return _Person(
            np.asarray(pixels, np.uint8),
            np.asarray(opacity, np.float32)[..., None],
            self.outline * ratio,
            self.counter * float(ratio[1]),
        )


def _people() -> list[_Person]:
    photographs = share_folder() / "config" / "demo_scene"
    return [
        _cut_out(photographs / "grace_hopper.jpg", GRACE_HOPPER, 560),
        _cut_out(photographs / "camera.jpg", CAMERAMAN, 500),
        _cut_out(photographs / "astronaut.jpg", ASTRONAUT, 470),
    ]


def _cut_out(file: Path, outline: IntArray, counter_row: int) -> _Person:
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"the sample photograph {file} cannot be read: give a video instead")
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [outline], 255)
    # One px less, and soft, as a camera shows the edge of a person.
    mask = np.asarray(cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3))), (0, 0), 1.0))
    above = outline[outline[:, 1] <= counter_row].astype(np.float64)
    person = _Person(np.asarray(image, np.uint8), mask.astype(np.float32), above, counter_row)
    mask[round(counter_row + _HIDDEN * person.size[1]) :] = 0
    opacity = mask.astype(np.float32)[..., None] / np.float32(255)
    return replace(person, opacity=np.asarray(opacity, np.float32))


def _columns(persons: int, width: int, height: int) -> int:
    """Returns the number of grid columns that shows people largest."""

    def side(columns: int) -> float:
        return min(width / columns, height / math.ceil(persons / columns))

    return max(range(1, persons + 1), key=side)


def forth_and_back(frames: list[ByteArray]) -> list[ByteArray]:
    """Appends the frames in reverse, so that the sequence loops without a jump."""
    return frames + frames[-2:0:-1]


class SceneSource:
    """The scene as a deterministic sequence of BGR images.

    Each person moves in a cell of a grid; beyond three persons, they repeat.
    """

    name = "sample photographs"

    def __init__(
        self,
        width: int = 960,
        height: int = 540,
        fps: float = 30.0,
        seconds: float = 10.0,
        persons: int = 3,
    ) -> None:
        self.width, self.height, self.fps = width, height, fps
        self.length: int | None = round(fps * seconds)
        self.persons = persons
        self._columns = _columns(persons, width, height)
        rows = math.ceil(persons / self._columns)
        self._cell = np.array((width / self._columns, height / rows))
        self._counters = [round((row + 1 - _COUNTER) * self._cell[1]) for row in range(rows)]
        room = self._cell * (_WIDTH, (1 - _COUNTER) * _ROOM)
        kinds = [person.shrunk(float((room / person.size).min())) for person in _people()]
        self._people = [kinds[index % len(kinds)] for index in range(persons)]
        self._scales = [float((room / person.size).min()) for person in self._people]
        self._set = brick_wall(width, height)
        for row, top in enumerate(self._counters):
            bottom = round((row + 1) * self._cell[1])
            self._set[top:bottom] = counter(width, bottom - top, row)

    def frames(self) -> Iterator[ByteArray]:
        for index in range(self.length or 0):
            yield self.frame(index)

    def people(self, index: int) -> list[tuple[float, float, float, float]]:
        """Returns the boxes x1, y1, x2, y2 in px of what is seen of the people in a frame."""
        boxes = []
        for number, affine in enumerate(self._affines(index)):
            corners = self._people[number].outline * affine[0, 0] + affine[:, 2]
            (x1, y1), x2 = corners.min(axis=0), corners[:, 0].max()
            boxes.append((float(x1), float(y1), float(x2), float(self._counter_of(number))))
        return boxes

    def _counter_of(self, number: int) -> int:
        return self._counters[number // self._columns]

    def _affines(self, index: int) -> list[AnyArray]:
        """Returns the affine transform (2, 3) from each person's pixels to a frame."""
        affines = []
        for number, (person, largest) in enumerate(zip(self._people, self._scales, strict=True)):
            angle = 2 * np.pi * (index / self.fps / _PERIOD_S + number / 3)
            scale = largest * (1 - _BREATHING + _BREATHING * np.sin(angle))
            width, height = scale * person.size
            spare = self._cell[0] - width
            left = (number % self._columns) * self._cell[0]
            left += spare * (0.5 + 0.45 * np.sin(0.7 * angle)) - scale * person.outline[:, 0].min()
            lift = height * _LIFT * (0.5 + 0.5 * np.cos(angle))
            top = self._counter_of(number) - scale * person.counter - lift
            affines.append(np.array([[scale, 0, left], [0, scale, top]]))
        return affines

    def frame(self, index: int) -> ByteArray:
        """The image of that number, (height, width, 3) BGR."""
        scene = self._set.copy()
        for number, affine in enumerate(self._affines(index)):
            person = self._people[number]
            x1, y1 = np.maximum(np.floor(affine[:, 2]), 0).astype(int).tolist()
            extent = affine[0, 0] * np.array(person.opacity.shape[1::-1]) + affine[:, 2]
            x2, y2 = min(math.ceil(extent[0]), self.width), self._counter_of(number)
            inside = affine - np.array([[0, 0, x1], [0, 0, y1]])
            size = x2 - x1, y2 - y1
            opacity = cv2.warpAffine(person.opacity, inside, size)[..., None]
            pixels = cv2.warpAffine(person.pixels, inside, size, borderMode=cv2.BORDER_REPLICATE)
            part = scene[y1:y2, x1:x2]
            part[:] = part + (pixels - part.astype(np.float32)) * opacity
        return scene
