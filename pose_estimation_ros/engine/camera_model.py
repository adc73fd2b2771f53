"""The camera model: from pixels to directions and positions in metres."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray


@dataclass(frozen=True, slots=True)
class CameraModel:
    """Pinhole intrinsics in pixels with the distortion of sensor_msgs/CameraInfo."""

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
