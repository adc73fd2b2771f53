"""A moving scene of people, made of photographs that come with the package.

The photographs (Grace Hopper, the astronaut Eileen Collins, a cameraman; all free of rights, see
NOTICE) move and change size on a plain wall, always fully in view.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.package_files import share_folder

_PERIOD_S = 8.0
_FILL = 0.82  # largest share of its cell that a photograph fills, which leaves room to move
_WALL_TOP, _WALL_BOTTOM = (196, 200, 203), (150, 156, 160)


def _photographs() -> list[ByteArray]:
    folder = share_folder() / "config" / "demo_scene"
    images = []
    for name in ("grace_hopper", "camera", "astronaut"):
        file = folder / f"{name}.jpg"
        image = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if image is None:
            raise InputError(f"the sample photograph {file} cannot be read: give a video instead")
        images.append(np.asarray(image, np.uint8))
    return images


def _columns(persons: int, width: int, height: int) -> int:
    """Returns the number of grid columns that shows square photographs largest."""

    def side(columns: int) -> float:
        return min(width / columns, height / math.ceil(persons / columns))

    return max(range(1, persons + 1), key=side)


def forth_and_back(frames: list[ByteArray]) -> list[ByteArray]:
    """Appends the frames in reverse, so that the sequence loops without a jump."""
    return frames + frames[-2:0:-1]


class SceneSource:
    """The scene as a deterministic sequence of BGR images.

    Each person moves in a cell of a grid; beyond three persons, photographs repeat.
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
        samples = _photographs()
        self._photographs = [samples[index % len(samples)] for index in range(persons)]
        self._columns = _columns(persons, width, height)
        shade = np.linspace(_WALL_TOP, _WALL_BOTTOM, height)[:, None]
        self._wall = np.broadcast_to(shade, (height, width, 3)).astype(np.uint8)

    def frames(self) -> Iterator[ByteArray]:
        for index in range(self.length or 0):
            yield self._frame(index)

    def people(self, index: int) -> list[tuple[float, float, float, float]]:
        """Returns the boxes x1, y1, x2, y2 in px of the photographs in a frame, one per person."""
        areas = []
        for photograph, affine in zip(self._photographs, self._affines(index), strict=True):
            scale, left, top = affine[0, 0], affine[0, 2], affine[1, 2]
            height, width = photograph.shape[:2]
            areas.append((left, top, left + scale * width, top + scale * height))
        return areas

    def _affines(self, index: int) -> list[AnyArray]:
        """Returns the affine transform (2, 3) from each photograph to a frame."""
        rows = math.ceil(self.persons / self._columns)
        cell_width, cell_height = self.width / self._columns, self.height / rows
        affines = []
        for person, photograph in enumerate(self._photographs):
            row, column = divmod(person, self._columns)
            angle = 2 * np.pi * (index / self.fps / _PERIOD_S + person / 3)
            height, width = photograph.shape[:2]
            fit = _FILL * min(cell_width / width, cell_height / height)
            scale = fit * (0.93 + 0.07 * np.sin(angle))
            spare_x, spare_y = cell_width - scale * width, cell_height - scale * height
            left = column * cell_width + spare_x * (0.5 + 0.4 * np.sin(0.7 * angle))
            top = row * cell_height + spare_y * (0.5 + 0.4 * np.cos(angle))
            affines.append(np.array([[scale, 0, left], [0, scale, top]]))
        return affines

    def _frame(self, index: int) -> ByteArray:
        scene = self._wall.copy()
        for photograph, affine in zip(self._photographs, self._affines(index), strict=True):
            cv2.warpAffine(
                photograph,
                affine,
                (self.width, self.height),
                dst=scene,
                borderMode=cv2.BORDER_TRANSPARENT,
            )
        return scene
