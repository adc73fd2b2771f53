"""PP-TinyPose as it is meant to be used, offline: its own 256x192, mirrored, several box sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from training.common.data import FLIP
from training.distillation.labelling import IMAGENET_MEAN, IMAGENET_STD
from training.distillation.teachers import TINYPOSE_FILE, TINYPOSE_HEATMAPS

WIDTH, HEIGHT = 192, 256
# px of its input for one cell of its maps: their first and last cells lie on the borders.
STRIDE = np.array(((WIDTH - 1) / 47, (HEIGHT - 1) / 63))
BLUR_CELLS = 11


class OfflineTeacher:
    """Joints of one person at a time, the mean of several answers.

    Args:
        folder: with ``tinypose_256x192.xml``.
    """

    def __init__(self, folder: Path) -> None:
        import openvino

        core = openvino.Core()
        model = core.read_model(folder / TINYPOSE_FILE)
        settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
        self._model = core.compile_model(model, "CPU", settings)
        self._queue = openvino.AsyncInferQueue(self._model)
        self._queue.set_callback(self._keep)
        self._maps: list[np.ndarray] = []

    def _keep(self, request: object, index: int) -> None:
        self._maps[index] = request.get_tensor(TINYPOSE_HEATMAPS).data[0].copy()  # type: ignore[attr-defined]

    def __call__(
        self, image: np.ndarray, box: np.ndarray, enlarge: Sequence[float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints of the person in a box x, y, w, h of an RGB image.

        Args:
            enlarge: sizes of its crop in sizes of the box; each is answered plain and mirrored.

        Returns:
            (17, 3) x, y in px of the image and the mean peak; (17,) px of the greatest distance
            of an answer from the mean.
        """
        self._maps = [np.empty(0)] * (2 * len(enlarge))
        matrices = []
        for number, factor in enumerate(enlarge):
            matrix = crop_matrix(box, factor)
            crop = cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
            tensor = ((crop.astype(np.float32) - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)
            for mirrored in (0, 1):
                given = tensor[:, :, ::-1] if mirrored else tensor
                self._queue.start_async(
                    {0: np.ascontiguousarray(given[None], np.float32)}, 2 * number + mirrored
                )
            matrices.append(matrix)
        self._queue.wait_all()
        answers = []
        for number, matrix in enumerate(matrices):
            plain = self._maps[2 * number]
            mirror = self._maps[2 * number + 1][list(FLIP), :, ::-1]
            for maps in (plain, mirror):
                joints = decode_maps(maps)
                joints[:, :2] = (joints[:, :2] - matrix[:, 2]) / matrix[0, 0]
                answers.append(joints)
        stack = np.stack(answers)
        weight = np.maximum(stack[..., 2:], 1e-3)
        mean = (stack[..., :2] * weight).sum(0) / weight.sum(0)
        spread = np.linalg.norm(stack[..., :2] - mean, axis=-1).max(0)
        return np.concatenate((mean, stack[..., 2:].mean(0)), 1), spread


def crop_matrix(box: np.ndarray, enlarge: float) -> np.ndarray:
    """Affine (2, 3) from the image to the teacher's crop: the box made 3:4 and enlarged."""
    extent = max(box[2], box[3] * WIDTH / HEIGHT) * enlarge
    scale = WIDTH / extent
    centre = np.asarray(box[:2]) + np.asarray(box[2:]) / 2 - 0.5
    shift = np.array(((WIDTH - 1) / 2, (HEIGHT - 1) / 2)) - centre * scale
    return np.array(((scale, 0, shift[0]), (0, scale, shift[1])))


def decode_maps(maps: np.ndarray) -> np.ndarray:
    """x, y in px of the teacher's crop and peak (17, 3) of heatmaps (17, 64, 48).

    The peak between cells is that of a parabola through the logarithms of the smoothed map, along
    each axis (Zhang et al., CVPR 2020, without the mixed term).
    """
    count, height, width = maps.shape
    found = np.zeros((count, 3), np.float32)
    for joint, heat in enumerate(maps):
        smooth = cv2.GaussianBlur(heat, (BLUR_CELLS, BLUR_CELLS), 0)
        y, x = divmod(int(heat.argmax()), width)
        log = np.log(np.maximum(smooth, 1e-10))
        dx = _vertex(log[y, x - 1 : x + 2]) if 0 < x < width - 1 else 0.0
        dy = _vertex(log[y - 1 : y + 2, x]) if 0 < y < height - 1 else 0.0
        found[joint] = (x + dx) * STRIDE[0], (y + dy) * STRIDE[1], heat.max()
    return found


def _vertex(values: np.ndarray) -> float:
    """Where the parabola through three values at -1, 0, 1 has its peak, within half a cell."""
    below, middle, above = (float(value) for value in values)
    bend = below - 2 * middle + above
    return float(np.clip(0.5 * (below - above) / bend, -0.5, 0.5)) if bend < -1e-9 else 0.0
