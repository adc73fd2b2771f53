"""From the outputs of pose models to joints in crop pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, RealArray
from pose_estimation_ros.engine.preprocessing import IMAGENET, RAW_RGB, Normalisation
from pose_estimation_ros.engine.skeletons import SKELETONS
from pose_estimation_ros.engine.skeletons.of_model import CONVNEXTPOSE_SKELETONS
from pose_estimation_ros.errors import ModelError

DEPTH_RANGE_M = 1.0  # half the depth that ConvNeXtPose's volume spans
_JOINT_COUNTS = {len(skeleton.joints) for skeleton in SKELETONS.values()}
_VOLUME_COUNTS = {len(skeleton.joints) for skeleton in CONVNEXTPOSE_SKELETONS}
_UNIT_AT_MOST = 2  # crops; nobody's joints are all within 2 px of the crop's corner
_LEAST_HEAT = 1e-6  # below which the logarithm of a heatmap's value says nothing
_LEAST_BEND = 1e-6  # of a parabola through three cells, below which it is flat


class CropJoints(NamedTuple):
    """Joints of n crops: xy (n, k, 2) in crop pixels, scores (n, k) in [0, 1], and z (n, k) in
    metres from the root joint, NaN where the model gives none.
    """

    xy: RealArray
    scores: RealArray
    z_m: RealArray


class PoseDecoder(Protocol):
    """Reads the outputs of one kind of pose model."""

    def __call__(self, outputs: Sequence[AnyArray], height: int, width: int) -> CropJoints:
        """The joints in the outputs for crops of (height, width) px."""
        ...


@dataclass(frozen=True, slots=True)
class PoseHead:
    """What the outputs of a pose model mean, and how its family normalises float pixels."""

    name: str
    decode: PoseDecoder
    joints: int
    norm: Normalisation = IMAGENET

    @property
    def of_convnextpose(self) -> bool:
        """Whether only exports of ConvNeXtPose have such outputs, with the joints' depths."""
        return self.name in ("joints", "cells", "volumes")


def decode_joints(outputs: Sequence[AnyArray], height: int, width: int) -> CropJoints:
    """Our exports of ConvNeXtPose: joints (n, k, 3) = x, y px, z m, and scores (n, k)."""
    joints, scores = outputs if outputs[0].ndim == 3 else outputs[::-1]
    return CropJoints(joints[..., :2], scores, joints[..., 2])


def decode_cells(outputs: Sequence[AnyArray], height: int, width: int, cells: int) -> CropJoints:
    """Published exports of ConvNeXtPose: (n, k, 3) = x, y, z in cells of the volume.

    Such a network gives no confidence: every score is 1. The volume has as many cells
    along the depth as along the sides, as all published ones.
    """
    joints = next(output for output in outputs if output.ndim == 3)
    xy = joints[..., :2] * (np.array([width, height], np.float32) / cells)
    z = (joints[..., 2] / cells * 2 - 1) * DEPTH_RANGE_M
    return CropJoints(xy, np.ones(joints.shape[:2], np.float32), z)


def decode_points(outputs: Sequence[AnyArray], height: int, width: int) -> CropJoints:
    """Decoded in the graph: (n, k, 3) = x, y (px, or parts of the crop), score."""
    points = outputs[0]
    unit = bool(np.abs(points[..., :2]).max(initial=0.0) <= _UNIT_AT_MOST)
    xy = points[..., :2] * np.array([width, height] if unit else [1, 1], np.float32)
    no_z = np.full(points.shape[:2], np.nan, np.float32)
    return CropJoints(xy, np.clip(points[..., 2], 0.0, 1.0), no_z)


def decode_volumes(
    outputs: Sequence[AnyArray], height: int, width: int, joints: int
) -> CropJoints:
    """Logits of ConvNeXtPose's volumes, (n, k, depth, rows, columns) or with k and depth in one.

    The soft-argmax of Sun et al., "Integral Human Pose Regression", ECCV 2018; the score is the
    mass of the best 3x3 cells of the image plane.
    """
    logits = outputs[0]
    n, (rows, columns) = len(logits), logits.shape[-2:]
    logits = logits.reshape(n, joints, -1, rows * columns)
    depth = logits.shape[2]
    mass = np.exp(logits - logits.max(axis=(2, 3), keepdims=True))
    mass /= mass.sum(axis=(2, 3), keepdims=True)
    plane = mass.sum(axis=2).reshape(n, joints, rows, columns)
    x = (plane.sum(axis=2) * np.arange(columns)).sum(axis=2) * (width / columns)
    y = (plane.sum(axis=3) * np.arange(rows)).sum(axis=2) * (height / rows)
    z = (mass.sum(axis=3) * np.arange(depth)).sum(axis=2)
    padded = np.pad(plane, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    peak = windows.sum(axis=(4, 5)).max(axis=(2, 3))
    xy = np.stack([x, y], axis=2)
    return CropJoints(xy, np.clip(peak, 0, 1), (z / depth * 2 - 1) * DEPTH_RANGE_M)


def decode_simcc(outputs: Sequence[AnyArray], height: int, width: int) -> CropJoints:
    """RTMPose: one row of bins per axis, x (n, k, bins) and y (n, k, bins), finer than pixels.

    Source: Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose
    Estimation", ECCV 2022. A joint's score is the lower of its two axes'.
    """
    along_x, along_y = outputs[:2]
    bins_x, bins_y = along_x.shape[2], along_y.shape[2]
    # Both axes have as many bins a pixel, which tells exports that give y first.
    if bins_x * height != bins_y * width and bins_y * height == bins_x * width:
        along_x, along_y = along_y, along_x
    xy = np.stack(
        [
            along_x.argmax(axis=2) * (width / along_x.shape[2]),
            along_y.argmax(axis=2) * (height / along_y.shape[2]),
        ],
        axis=2,
    )
    scores = np.minimum(along_x.max(axis=2), along_y.max(axis=2))
    return CropJoints(
        xy.astype(np.float32),
        np.clip(scores, 0.0, 1.0),
        np.full(scores.shape, np.nan, np.float32),
    )


def decode_movenet(outputs: Sequence[AnyArray], height: int, width: int) -> CropJoints:
    """MoveNet: (n, 1, 17, 3) = y, x in parts of the crop, score."""
    raw = outputs[0][:, 0]
    xy = raw[..., 1::-1] * np.array([width, height], np.float32)
    no_z = np.full(raw.shape[:2], np.nan, np.float32)
    return CropJoints(xy, np.clip(raw[..., 2], 0.0, 1.0), no_z)


def decode_heatmaps(
    outputs: Sequence[AnyArray], height: int, width: int, channels_last: bool = False
) -> CropJoints:
    """One heatmap per joint, (n, k, rows, columns): the peak, refined between cells.

    The refinement takes the top of the parabola through the logarithms of the peak and its two
    neighbours on each axis, exact for a Gaussian (the idea of Zhang et al., "Distribution-Aware
    Coordinate Representation", CVPR 2020, without the cross term).
    """
    maps = next(output for output in outputs if output.ndim == 4)
    if channels_last:
        maps = maps.transpose(0, 3, 1, 2)
    n, k, rows, columns = maps.shape
    flat = maps.reshape(n * k, rows * columns)
    peak = flat.argmax(axis=1)
    each = np.arange(n * k)
    scores = flat[each, peak]
    y, x = np.divmod(peak, columns)
    grid = maps.reshape(n * k, rows, columns)

    def offset(low: AnyArray, high: AnyArray) -> AnyArray:
        a, b, c = (np.log(np.maximum(v, _LEAST_HEAT)) for v in (low, scores, high))
        bend = a + c - 2 * b
        shift = np.where(bend < -_LEAST_BEND, 0.5 * (a - c) / np.minimum(bend, -_LEAST_BEND), 0.0)
        return np.clip(shift, -0.5, 0.5)

    inner_x = (x > 0) & (x < columns - 1)
    inner_y = (y > 0) & (y < rows - 1)
    left, right = np.maximum(x - 1, 0), np.minimum(x + 1, columns - 1)
    above, below = np.maximum(y - 1, 0), np.minimum(y + 1, rows - 1)
    fine_x = x + np.where(inner_x, offset(grid[each, y, left], grid[each, y, right]), 0.0)
    fine_y = y + np.where(inner_y, offset(grid[each, above, x], grid[each, below, x]), 0.0)
    xy = np.stack([fine_x * (width / columns), fine_y * (height / rows)], axis=1)
    shape = (n, k)
    return CropJoints(
        xy.reshape(n, k, 2).astype(np.float32),
        np.clip(scores, 0.0, 1.0).reshape(shape),
        np.full(shape, np.nan, np.float32),
    )


def choose_pose_head(
    outputs: Sequence[AnyArray], width: int, metadata: Mapping[str, str], source: str
) -> PoseHead:
    """What these outputs for a blank crop, `width` px wide, mean; told by their shapes.

    Raises:
        ModelError: no known kind has such outputs; `source` names the model in the message.
    """
    shapes = [tuple(output.shape) for output in outputs]
    head = (
        _head_of_one(outputs[0], width, metadata) if len(outputs) == 1 else _head_of_many(shapes)
    )
    if head is None:
        raise ModelError(
            f"{source} has outputs of shapes {[list(shape) for shape in shapes]}: not a pose "
            "model of a known kind (ConvNeXtPose: joints (n, joints, 3) with or without scores, "
            "or volumes; RTMPose: SimCC rows; heatmaps (n, joints, rows, columns); MoveNet; x, y, "
            "score (n, joints, 3); one stage: YOLO-pose, YOLO-NAS-Pose, RTMO, MoveNet MultiPose): "
            "export it with its metadata, such as ultralytics' kpt_shape"
        )
    return head


def _head_of_one(output: AnyArray, width: int, metadata: Mapping[str, str]) -> PoseHead | None:
    shape = output.shape
    if len(shape) == 3 and shape[2] == 3:
        # Depths are near the volume's middle, 16 cells and more; scores are not above 1.
        if "cells" not in metadata and 0 <= output[..., 2].min() <= output[..., 2].max() <= 1:
            return PoseHead("points", decode_points, shape[1])
        # The file does not say how many cells the volume has: an eighth of the crop's side in
        # XS and S, a quarter in M and L. Some of a blank crop's 3k coordinates lie in the volume's
        # upper half, which tells the larger volume.
        cells = int(metadata.get("cells", width // 8))
        if "cells" not in metadata and output.max() > cells - 1:
            cells *= 2
        return PoseHead("cells", partial(decode_cells, cells=cells), shape[1])
    if len(shape) == 5:
        return PoseHead("volumes", partial(decode_volumes, joints=shape[1]), shape[1])
    if len(shape) != 4:
        return None
    if shape[1] == 1 and shape[3] == 3:
        return PoseHead("movenet", decode_movenet, shape[2], RAW_RGB)
    if shape[1] in _JOINT_COUNTS:
        return PoseHead("heatmaps", decode_heatmaps, shape[1])
    if shape[3] in _JOINT_COUNTS:
        decode = partial(decode_heatmaps, channels_last=True)
        return PoseHead("heatmaps", decode, shape[3])
    # A volume with joints and depth in one, as deep as it is wide.
    joints, rest = divmod(shape[1], shape[3])
    if rest == 0 and joints in _VOLUME_COUNTS:
        return PoseHead("volumes", partial(decode_volumes, joints=joints), joints)
    return None


def _head_of_many(shapes: Sequence[tuple[int, ...]]) -> PoseHead | None:
    heatmaps = [shape for shape in shapes if len(shape) == 4]
    if len(heatmaps) == 1:
        return PoseHead("heatmaps", decode_heatmaps, heatmaps[0][1])
    joints = [shape for shape in shapes if len(shape) == 3 and shape[2] == 3]
    if len(shapes) == 2 and len(joints) == 1:
        other = next(shape for shape in shapes if shape is not joints[0])
        if other == joints[0][:2]:
            return PoseHead("joints", decode_joints, joints[0][1])
    if len(shapes) == 2 and all(len(shape) == 3 for shape in shapes):
        x, y = shapes
        if x[:2] == y[:2] and min(x[2], y[2]) > 3:
            return PoseHead("simcc", decode_simcc, x[1])
    return None
