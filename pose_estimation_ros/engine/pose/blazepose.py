"""BlazePose: MediaPipe's landmarks, 33 joints in pixels and metres, in crops turned with the body.

Source: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020, and the
graphs of MediaPipe's pose_landmark module, which say how crops are aligned and landmarks refined.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.preprocessing import UNIT, ImageInput
from pose_estimation_ros.engine.runtimes import Runtime
from pose_estimation_ros.engine.runtimes.runtime import blank_inputs
from pose_estimation_ros.engine.skeletons import MEDIAPIPE33
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError

_JOINTS = len(MEDIAPIPE33.joints)
_POINTS = 39  # the joints, then those that align the next crop and the body's corners
_MIDDLE, _TOP = 33, 34  # between the hips, and as far above it as the body reaches
_IN_PIXELS, _IN_METRES = _POINTS * 5, _POINTS * 3  # x y z visibility presence; x y z
_ENLARGE = 1.25
# In boxes that much wider than high people may lie: they are looked at from three sides.
_WIDE, _LYING = 1.2, (0.0, math.pi / 2, -math.pi / 2)
_PRESENT = 0.5  # score of a pose from which its alignment counts
_WINDOW = 3  # cells of a heatmap on each side of a landmark that refine it
_LEAST_HEAT = 0.5


class BlazePose:
    """A landmark model over any runtime. May be used from several threads at once.

    A person's first crop is the box made square, upright; where the box is wide, also turned to
    either side, and the surest counts. Where the pose is found in it, the model says how the crop
    should lie, and looks again; in the frames after it, it is given that crop.
    """

    skeleton = MEDIAPIPE33
    enlarge = _ENLARGE
    gives_depth = True

    def __init__(self, runtime: Runtime) -> None:
        self.name, self.runtime = runtime.path.name, runtime
        self._input = ImageInput.of(runtime)
        if self._input.height is None or self._input.height != self._input.width:
            raise ModelError(
                f"{runtime.path} has the input {list(runtime.inputs[0].shape)}: expected "
                "BlazePose's square of a fixed size"
            )
        self._side = self._input.height
        self.batch = 1
        self._outputs(runtime.run(*blank_inputs(runtime.inputs)))  # also the warm-up

    @staticmethod
    def fits(runtime: Runtime) -> bool:
        """Whether the outputs are those of a landmark model."""
        sizes = [spec.shape[-1] for spec in runtime.outputs if len(spec.shape) == 2]
        return _IN_PIXELS in sizes and _IN_METRES in sizes

    def estimate(
        self, image: Image, boxes: FloatArray, crops: FloatArray | None = None
    ) -> JointEstimates:
        """Joints of the persons in the boxes (n, 4), in pixels and in metres.

        `crops` (n, 4) as `JointEstimates.crops` of the last frame, NaN for persons who are new.

        Raises:
            ModelError: the model's outputs are not finite.
        """
        known = np.full((len(boxes), 4), np.nan) if crops is None else crops
        parts = [self._one(image, box, crop) for box, crop in zip(boxes, known, strict=True)]
        return JointEstimates.concatenate(parts or [JointEstimates.empty(_JOINTS)])

    def _one(self, image: Image, box: AnyArray, crop: AnyArray) -> JointEstimates:
        if np.isfinite(crop).all():
            return self._look(image, crop)
        width, height = (box[2:] - box[:2]).tolist()
        angles = _LYING if width > _WIDE * height else (0.0,)
        middle, side = (box[:2] + box[2:]) / 2, _ENLARGE * max(width, height)
        looks = [self._look(image, np.array([*middle, side, angle])) for angle in angles]
        first = max(looks, key=_sureness)
        assert first.crops is not None
        if not np.isfinite(first.crops).all():
            return first
        again = self._look(image, first.crops[0])
        return again if _sureness(again) >= 0.5 * _sureness(first) else first

    def _look(self, image: Image, crop: AnyArray) -> JointEstimates:
        """The joints of the person in a crop (4,): its centre and side in px, its angle in rad."""
        affine = _crop_affine(crop, self._side)
        pixels = np.empty((1, self._side, self._side, 3), np.uint8)
        cv2.warpAffine(image.pixels, affine, (self._side, self._side), dst=pixels[0])
        tensor = self._input.tensor(pixels, image.order, UNIT)
        points, metres, present, heat = self._outputs(self.runtime.run(tensor))
        if not (np.isfinite(points).all() and np.isfinite(metres).all()):
            raise ModelError(f"{self.name} gave joints that are not numbers")
        xy = points[:, :2] if heat is None else _refined(points[:, :2], heat, self._side)
        back = cv2.invertAffineTransform(affine)
        xy = (xy @ back[:, :2].T + back[:, 2]).astype(np.float32)
        cos, sin = np.cos(crop[3]), np.sin(crop[3])
        offsets = metres.astype(np.float32)
        offsets[:, :2] = metres[:, :2] @ np.array([[cos, sin], [-sin, cos]])
        offsets -= offsets[list(MEDIAPIPE33.roots)].mean(axis=0)
        scores = (present * _probability(points[:_JOINTS, 3])).astype(np.float32)
        return JointEstimates(
            xy[None, :_JOINTS],
            scores[None],
            offsets[None, :_JOINTS, 2],
            offsets[None, :_JOINTS],
            _next_crop(xy, present)[None],
        )

    def _outputs(
        self, outputs: list[AnyArray]
    ) -> tuple[AnyArray, AnyArray, float, AnyArray | None]:
        """Landmarks (39, 5), positions (39, 3) in metres, the pose's score, and heatmaps."""
        flat = {output.size: output for output in outputs}
        if not {_IN_PIXELS, _IN_METRES, 1} <= set(flat):
            shapes = [list(output.shape) for output in outputs]
            raise ModelError(f"{self.runtime.path} has outputs of shapes {shapes}: no BlazePose")
        maps = [one for one in outputs if one.ndim == 4 and one.shape[-1] == _POINTS]
        return (
            flat[_IN_PIXELS].reshape(_POINTS, 5),
            flat[_IN_METRES].reshape(_POINTS, 3),
            float(np.clip(flat[1].ravel()[0], 0.0, 1.0)),
            maps[0][0] if maps else None,
        )


def _sureness(joints: JointEstimates) -> float:
    return float(joints.scores.mean())


def _probability(logits: AnyArray) -> AnyArray:
    return 1 / (1 + np.exp(-np.clip(logits, -50, 50)))


def _crop_affine(crop: AnyArray, side: int) -> AnyArray:
    """The (2, 3) transform of an image onto a crop of `side` px, turned by the crop's angle."""
    x, y, shown, angle = (float(value) for value in crop)
    scale = side / max(shown, 1.0)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([turn, side / 2 - turn @ [x, y]])


def _next_crop(xy: AnyArray, present: float) -> AnyArray:
    """How the crop should lie, (4,), for points (39, 2) in image pixels; NaN where nobody is."""
    if present < _PRESENT:
        return np.full(4, np.nan)
    (x, y), (right, down) = xy[_MIDDLE], xy[_TOP] - xy[_MIDDLE]
    side = 2 * _ENLARGE * float(np.hypot(right, down))
    return np.array([x, y, side, np.arctan2(right, -down)])


def _refined(xy: AnyArray, heat: AnyArray, side: int) -> AnyArray:
    """Points (n, 2) moved to the middle of the heat around them, where there is enough.

    `heat` are logits (rows, columns, n).
    """
    rows, columns, count = heat.shape
    result = xy.copy()
    cells = np.floor(xy / side * [columns, rows]).astype(int)
    for point in range(count):
        column, row = cells[point]
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        left, top = max(column - _WINDOW, 0), max(row - _WINDOW, 0)
        window = heat[top : row + _WINDOW + 1, left : column + _WINDOW + 1, point]
        sure = _probability(window)
        if sure.max() < _LEAST_HEAT:
            continue
        ys, xs = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
        middle = np.array([(xs * sure).sum(), (ys * sure).sum()]) / sure.sum()
        result[point] = middle / [columns, rows] * side
    return result
