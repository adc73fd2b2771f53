"""The teachers on whole batches, run on the very pictures that the student is shown.

No weight of theirs goes into the trained networks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.common.assignment import all_centres
from training.common.device import normalise
from training.distillation.ir_graph import IrGraph
from training.distillation.labelling import PERSON
from training.distillation.onnx_graph import OnnxGraph

YOLOX_WIDTH = 64  # channels of its features
# The inputs of its two towers at each stride.
YOLOX_FEATURES = ("input.599", "input.671", "input.743")

TINYPOSE_FILE = "tinypose_256x192.xml"
TINYPOSE_HEATMAPS = "conv2d_441.tmp_1"
# Its features at strides 8, 16 and 32, and their channels.
TINYPOSE_FEATURES = {"relu_142.tmp_0": 40, "relu_141.tmp_0": 80, "relu_139.tmp_0": 320}
TINYPOSE_SIDE, TINYPOSE_HEIGHT = 192, 256  # px of its input; crops are square, the rest is black
# Its joint in cell j is at px 4 j of the crop; the centre of a cell of 4 px is at 4 j + 1.5.
TINYPOSE_OFFSET = 1.5 / 4


class YoloxTeacher:
    """YOLOX-nano on a batch.

    Args:
        folder: with ``yolox_nano.onnx``.
        device: to compute on.
        runtime: ``openvino`` or ``torch``; by default OpenVINO on the CPU, where it takes half
            of torch's time, and torch elsewhere.
    """

    def __init__(self, folder: Path, device: torch.device, runtime: str | None = None) -> None:
        path = folder / "yolox_nano.onnx"
        names = ("output", *YOLOX_FEATURES)
        self.device = device
        self._graph: Callable[[Tensor], list[Tensor]]
        if (runtime or ("openvino" if device.type == "cpu" else "torch")) == "openvino":
            self._graph = _OpenVino(path, names)
        else:
            self._graph = OnnxGraph(path, names, device)

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Detect in uint8 RGB images (n, h, w, 3), h and w multiples of 32.

        Returns:
            Scores (n, A), boxes (n, A, 4) xyxy px in the order of the detector's cells, and
            features (n, 64, h / s, w / s) of each stride s.
        """
        bgr = images.to(self.device, non_blocking=True).flip(3).permute(0, 3, 1, 2).float()
        out, *features = self._graph(bgr.contiguous(memory_format=torch.channels_last))
        centres, strides = all_centres(images.shape[1], images.shape[2], self.device)
        strides = strides[:, None]
        middle = out[..., :2] * strides + centres - strides / 2
        half = out[..., 2:4].exp() * strides / 2
        boxes = torch.cat((middle - half, middle + half), dim=2)
        return out[..., 4] * out[..., 5 + PERSON], boxes, features


class TinyPoseTeacher:
    """PP-TinyPose on a batch.

    Args:
        folder: with ``tinypose_256x192.xml``.
        device: to compute on.
        runtime: ``openvino`` or ``torch``; by default OpenVINO on the CPU, where it takes a
            seventh of torch's time, and torch elsewhere.
    """

    def __init__(self, folder: Path, device: torch.device, runtime: str | None = None) -> None:
        path = folder / TINYPOSE_FILE
        names = (TINYPOSE_HEATMAPS, *TINYPOSE_FEATURES)
        self.device = device
        self._compute: Callable[[Tensor], list[Tensor]]
        if (runtime or ("openvino" if device.type == "cpu" else "torch")) == "openvino":
            self._compute = _OpenVino(path, names)
        else:
            self._compute = IrGraph(path, names, device)

    def __call__(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Estimate joints in uint8 RGB crops (n, 192, 192, 3).

        Returns:
            Heatmaps (n, 17, 48, 48) in [0, 1] and the features (n, channels, 192 / s, 192 / s)
            of each stride s.
        """
        above = (TINYPOSE_HEIGHT - TINYPOSE_SIDE) // 2
        padded = functional.pad(images, (0, 0, 0, 0, above, above))
        maps, *features = self._compute(normalise(padded, self.device).contiguous())
        maps, *features = (_crop_rows(values) for values in (maps, *features))
        return _sample_between(maps).clamp(0, 1), features


class _OpenVino:
    """The file's graph is for one picture: as many requests as torch has threads run at a time."""

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self._path, self._names = path, names
        self._queues: dict[tuple[int, ...], Any] = {}
        self._found: list[list[np.ndarray]] = []

    def _compile(self, shape: tuple[int, ...]) -> Any:
        """A queue of requests for one picture of this shape, (1, 3, h, w)."""
        import openvino

        core = openvino.Core()
        model = core.read_model(self._path)
        model.add_outputs(list(self._names[1:]))
        model.reshape(shape)
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            # Its default is bf16 where the processor has it, with other outputs than elsewhere.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        queue = openvino.AsyncInferQueue(core.compile_model(model, "CPU", settings))
        queue.set_callback(self._keep)
        return queue

    def _keep(self, request: Any, index: int) -> None:
        self._found[index] = [request.get_tensor(name).data.copy() for name in self._names]

    def __call__(self, images: Tensor) -> list[Tensor]:
        shape = (1, *images.shape[1:])
        if shape not in self._queues:
            self._queues[shape] = self._compile(shape)
        queue = self._queues[shape]
        self._found = [[]] * len(images)
        for index, image in enumerate(images.contiguous().numpy()):
            queue.start_async({0: image[None]}, index)
        queue.wait_all()
        return [torch.from_numpy(np.concatenate(rows)) for rows in zip(*self._found, strict=True)]


def _crop_rows(values: Tensor) -> Tensor:
    """The rows of (n, c, h, w) that show the crop."""
    height, width = values.shape[2:]
    above = (height - width) // 2
    return values[:, :, above : above + width]


def _sample_between(maps: Tensor) -> Tensor:
    """Sample (n, k, h, w) ``TINYPOSE_OFFSET`` cells further right and down, linearly."""
    for axis in (2, 3):
        last = maps.narrow(axis, maps.shape[axis] - 1, 1)
        following = torch.cat((maps.narrow(axis, 1, maps.shape[axis] - 1), last), axis)
        maps = maps + (following - maps) * TINYPOSE_OFFSET
    return maps
