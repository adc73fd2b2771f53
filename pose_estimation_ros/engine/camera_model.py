"""The camera model: from pixels to directions and positions in metres.

A calibration is read as sensor_msgs/CameraInfo defines it (Jazzy): K and D hold for the raw image,
P for the rectified one; the region of interest is in pixels of the full resolution, and binning
comes after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.errors import InputError, quoted

# How many coefficients OpenCV takes for each distortion model of CameraInfo.
_COEFFICIENTS = {
    "": (4, 5, 8, 12, 14),
    "plumb_bob": (4, 5, 8, 12, 14),  # drivers name the longer ones so, too
    "rational_polynomial": (8, 12, 14),
    "thin_prism": (12, 14),
    "tilted": (14,),
    "equidistant": (4,),
    "fisheye": (4,),
}
_FISHEYE = ("equidistant", "fisheye")
# Assumed for a camera that nobody calibrated: about 60 degrees horizontally.
_FOCAL_WIDTHS = 0.87
_ROUNDING_PX = 1  # an odd size that is halved may go up or down
# image_rect, image_rect_color, rectified/image, rgb/color/rect/image, ...
_RECTIFIED = re.compile(r"(^|[/_])rect(ified)?([/_]|$)")


def is_rectified(topic: str) -> bool:
    """Whether an image topic holds rectified images, by the names that image_proc has for them."""
    return bool(_RECTIFIED.search(topic))


@dataclass(frozen=True, slots=True)
class CameraModel:
    """Pinhole intrinsics in pixels, with the distortion that OpenCV knows."""

    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    fisheye: bool = False

    def rays(self, xy: AnyArray) -> AnyArray:
        """Image pixels (..., 2) as (x / z, y / z) directions in the optical frame, undistorted."""
        if not any(self.distortion):
            return (xy - (self.cx, self.cy)) / (self.fx, self.fy)
        matrix = np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])
        points = np.asarray(xy, np.float64).reshape(-1, 1, 2)
        if self.fisheye:
            rays = cv2.fisheye.undistortPoints(points, matrix, np.array(self.distortion[:4]))
        else:
            rays = cv2.undistortPoints(points, matrix, np.array(self.distortion))
        return rays.reshape(xy.shape)

    def back_project(self, xy: AnyArray, z_m: AnyArray) -> FloatArray:
        """Image pixels (..., 2) at distances (...) along z, as points (..., 3) in metres."""
        points = np.concatenate([self.rays(xy), np.ones((*xy.shape[:-1], 1))], axis=-1)
        return (points * z_m[..., None]).astype(np.float32)


def assumed_camera(width: int, height: int) -> CameraModel:
    """A camera that nobody calibrated, for images of that size in px."""
    focal = _FOCAL_WIDTHS * width
    return CameraModel(focal, focal, (width - 1) / 2, (height - 1) / 2)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a camera says of itself in sensor_msgs/CameraInfo.

    Attributes:
        size: width and height in px of the image at full resolution; zeros where not given.
        k: (9,) the raw image's camera matrix, row by row, in px of the full resolution; zeros from
            a camera that is not calibrated.
        p: (12,) the rectified image's projection matrix, likewise.
        d: distortion coefficients of the raw image.
        distortion_model: the name of the distortion.
        binning: pixels joined into one, across and down; 0 as good as 1.
        region: x, y, width and height of the part that is sent, in px of the full resolution;
            zeros for all.
    """

    size: tuple[int, int]
    k: tuple[float, ...]
    p: tuple[float, ...] = (0.0,) * 12
    d: tuple[float, ...] = ()
    distortion_model: str = ""
    binning: tuple[int, int] = (1, 1)
    region: tuple[int, int, int, int] = (0, 0, 0, 0)

    def camera_for(self, width: int, height: int, rectified: bool = False) -> CameraModel | None:
        """The model of an image of that size in px; None from a camera that is not calibrated.

        Raises:
            InputError: the calibration is invalid, or is for images of another size.
        """
        # P of a single camera may be left at zero; then K is the rectified image's, too.
        has_p = rectified and (self.p[0] != 0 or self.p[5] != 0)
        entries = (self.p[0], self.p[5], self.p[2], self.p[6]) if has_p else self._entries_of_k()
        fx, fy, cx, cy = entries
        if fx == 0 and fy == 0:
            return None
        distortion = () if rectified else self.d
        if not (np.isfinite([*entries, *distortion]).all() and fx > 0 and fy > 0):
            raise InputError(
                f"camera_info has focal lengths {fx:g} and {fy:g}, centre {cx:g}, {cy:g} and the "
                f"distortion {list(distortion)}: expected finite numbers: calibrate the camera"
            )
        self._check_distortion(distortion)
        self._check_size(width, height)
        across, down = (max(1, step) for step in self.binning)
        cx, cy = cx - self.region[0], cy - self.region[1]
        fisheye = self.distortion_model in _FISHEYE
        return CameraModel(fx / across, fy / down, cx / across, cy / down, distortion, fisheye)

    def _entries_of_k(self) -> tuple[float, float, float, float]:
        return self.k[0], self.k[4], self.k[2], self.k[5]

    def _check_distortion(self, distortion: tuple[float, ...]) -> None:
        if not any(distortion):
            return
        lengths = _COEFFICIENTS.get(self.distortion_model)
        if lengths is None:
            known = ", ".join(name for name in _COEFFICIENTS if name)
            raise InputError(
                f"camera_info has the distortion model {quoted(self.distortion_model)}: expected "
                f"one of {known}; or rectify the images (image_proc) and use those"
            )
        if len(distortion) not in lengths:
            raise InputError(
                f"camera_info has {len(distortion)} coefficients for "
                f"{quoted(self.distortion_model)}, expected {' or '.join(map(str, lengths))}: "
                "calibrate the camera"
            )

    def _check_size(self, width: int, height: int) -> None:
        """Intrinsics of another size would put everybody in the wrong place."""
        if self.size == (0, 0) and self.region[2:] == (0, 0):
            return
        sent = self.region[2] or self.size[0], self.region[3] or self.size[1]
        expected = [side / max(1, step) for side, step in zip(sent, self.binning, strict=True)]
        if all(
            abs(side - wanted) <= (_ROUNDING_PX if step > 1 else 0)
            for side, wanted, step in zip((width, height), expected, self.binning, strict=True)
        ):
            return
        raise InputError(
            f"camera_info is for {expected[0]:.0f}x{expected[1]:.0f} px, the image has "
            f"{width}x{height}: resize camera_info with the image, as image_proc does"
        )
