"""What there is to see of one image, wherever it was answered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray
from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.poses import Poses

_JPEG_QUALITY = 75
IN_CAMERA: AnyArray = np.eye(4)[:3]


@dataclass(frozen=True, slots=True)
class ViewFrame:
    """An answered image.

    Attributes:
        time_s: when it was taken, on the time line.
        size: its width and height in px.
        poses: everyone in it.
        jpeg: the image; None where it is not at hand.
        times_ms: where the time went, by stage.
        age_ms: from the image's stamp to the answer; NaN where unknown.
        dropped: the camera's images dropped so far.
        camera: its intrinsics; None where unknown.
        place: (3, 4) rotation and translation from the camera's optical frame to the frame of the
            positions; None where unknown.
        frame: the name of the positions' frame where it is not the camera's; else empty.
    """

    time_s: float
    size: tuple[int, int]
    poses: Poses
    jpeg: bytes | None = None
    times_ms: Mapping[str, float] = field(default_factory=dict)
    age_ms: float = math.nan
    dropped: int = 0
    camera: CameraModel | None = None
    place: AnyArray | None = field(default_factory=lambda: IN_CAMERA)
    frame: str = ""


def as_jpeg(pixels: ByteArray) -> bytes:
    """(height, width, 3) BGR pixels as a JPEG of a tenth of their size."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()
