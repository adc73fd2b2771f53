"""The protocol of all detectors; their options are in settings."""

from __future__ import annotations

from typing import Protocol

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.types import Detections, Image
from pose_estimation_ros.settings import DetectorOptions


class Detector(Protocol):
    """Finds the persons of an image."""

    name: str

    def detect(self, image: Image, options: DetectorOptions, previous: FloatArray) -> Detections:
        """Persons of the image, best first.

        `previous` (n, 4) px are the boxes around the last frame's poses, for detectors that do
        not look at the pixels.
        """
        ...
