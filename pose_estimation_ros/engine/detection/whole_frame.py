"""The last candidate of the detector chain: the whole frame as one person's box."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.arrays import FloatArray
from pose_estimation_ros.engine.types import Detections, Image
from pose_estimation_ros.settings import DetectorOptions


class WholeFrameDetector:
    """Gives the whole image as one person's box, then the box around the last pose."""

    name = "whole frame"

    def detect(self, image: Image, options: DetectorOptions, previous: FloatArray) -> Detections:
        """One rough box, of score 1."""
        if len(previous):
            return Detections(previous[:1], np.ones(1, np.float32), rough=True)
        whole = np.array([[0, 0, image.width, image.height]], np.float32)
        return Detections(whole, np.ones(1, np.float32), rough=True)
