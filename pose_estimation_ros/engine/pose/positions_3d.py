"""Joints in metres: the root's distance, and the other joints relative to it."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.arrays import FloatArray, IntArray
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.pose.root_depth import RootDepth, depth_at
from pose_estimation_ros.engine.poses import DEPTH_DEPTH_IMAGE, DEPTH_NONE, JointEstimates
from pose_estimation_ros.engine.skeletons import Skeleton
from pose_estimation_ros.engine.types import Frame

_VISIBLE_SCORE = 0.1
# Where the root is out of sight, this many of the most confident joints tell its distance.
_MOST_CONFIDENT = 5


def positions_in_metres(
    frame: Frame,
    joints: JointEstimates,
    boxes: FloatArray,
    skeleton: Skeleton,
    root_depth: FallbackChain[RootDepth],
) -> tuple[FloatArray, IntArray]:
    """Positions (n, k, 3) in the camera's optical frame, metres, and the source (n,) of the depth.

    Without intrinsics, or where the model gives no z, positions are NaN rather than a guess.
    """
    n, k = joints.scores.shape
    if n == 0 or frame.camera is None or np.isnan(joints.z_m).all():
        return np.full((n, k, 3), np.nan, np.float32), np.full(n, DEPTH_NONE, np.int32)
    root_z, sources = _from_depth_image(frame, joints, skeleton)
    others = np.isnan(root_z)
    if others.any():
        image, camera = frame.image, frame.camera
        root_z[others], sources[others] = root_depth.call(
            lambda source: (source.depths(image, boxes[others], camera), source.source)
        )
    if joints.offsets_m is not None:  # the whole body in metres, from where the root is
        root = joints.xy[:, list(skeleton.roots)].mean(axis=1)
        return frame.camera.back_project(root, root_z)[:, None] + joints.offsets_m, sources
    z = root_z[:, None] + joints.z_m
    return frame.camera.back_project(joints.xy, np.where(z > 0, z, np.nan)), sources


def _from_depth_image(
    frame: Frame, joints: JointEstimates, skeleton: Skeleton
) -> tuple[FloatArray, IntArray]:
    """Distances (n,) of the root joints where the depth image knows them, else NaN.

    Where the root is out of sight, the visible joints tell it.
    """
    n = len(joints)
    root_z = np.full(n, np.nan, np.float32)
    sources = np.full(n, DEPTH_NONE, np.int32)
    if frame.depth_m is None:
        return root_z, sources
    depth, size = frame.depth_m, (frame.image.width, frame.image.height)
    roots = list(skeleton.roots)
    visible = joints.scores >= _VISIBLE_SCORE
    points = joints.xy[:, roots].mean(axis=1)
    for person in range(n):
        if visible[person, roots].all():
            root_z[person] = depth_at(depth, points[person], size)
        if np.isnan(root_z[person]):
            # Cut off by the image's edge or a table, or a hole: other joints, less their own z.
            confident = np.argsort(-joints.scores[person])[:_MOST_CONFIDENT]
            found = [
                depth_at(depth, joints.xy[person, joint], size) - joints.z_m[person, joint]
                for joint in confident[visible[person, confident]]
            ]
            known = [distance for distance in found if distance > 0]
            if known:
                root_z[person] = np.median(known)
    sources[np.isfinite(root_z)] = DEPTH_DEPTH_IMAGE
    return root_z, sources
