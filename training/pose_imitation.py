"""A teacher's whole output as the pose network's target: every joint's heatmap, and features.

Joints that a teacher placed once on the plain crop say little of a crop that is cut off, covered
or shared with others: how sure one can be there, where else a joint could be. The teacher,
PP-TinyPose, is run on the very picture that the network is shown, and each joint's marginal is
compared with its heatmap. A labelled joint that it puts elsewhere, on somebody who was added for
instance, is taught by the label.
No weight of it goes into the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_estimation_ros.engine.networks.convnextpose import ConvNeXtPose
from training.features import Adapters
from training.loop import normalise

HEATMAPS = "conv2d_441.tmp_1"
# The teacher's features at strides 8, 16 and 32, and the parts of XS whose outputs are compared
# with them, with the channels of both.
FEATURES = {
    "relu_142.tmp_0": ("head.deconv_layers_3", (128, 40)),
    "relu_141.tmp_0": ("backbone.stages.2", (160, 80)),
    "relu_139.tmp_0": ("backbone.norm", (320, 320)),
}
SIDE, HEIGHT = 192, 256  # px of the teacher's input; crops are square, the rest is black
# Its joint in cell j is at px 4 j of the crop; the middle of a cell of 4 px is at 4 j + 1.5.
OFFSET = 1.5 / 4
# Its maps are Gaussians of 2 cells on a floor of noise, which a power takes away.
POWER = 2
LEAST_PEAK = 0.25  # below it the teacher's joint means nothing
# Below it, where no label knows better, there is none, and the marginal is to be flat.
NO_PEAK, FLAT_WEIGHT = 0.15, 0.25
AGREE = 0.1  # of the crop's side, between a label and the teacher's joint


class Marginals(NamedTuple):
    """What the marginals are to be: (n, k, h, w), each of a sum of 1, and (n, k) weights."""

    plane: Tensor
    weight: Tensor


class Teacher:
    """PP-TinyPose on a batch.

    On the CPU OpenVINO computes it, in a seventh of torch's time.

    Args:
        folder: with ``tinypose_256x192.xml``.
        device: to compute on.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        path = folder / "tinypose_256x192.xml"
        names = (HEATMAPS, *FEATURES)
        self.device = device
        if device.type == "cpu":
            self._compute = _OpenVino(path, names)
        else:
            from training.ir_graph import IrGraph

            self._compute = IrGraph(path, names, device)

    def __call__(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See uint8 RGB crops (n, 192, 192, 3).

        Returns:
            Heatmaps (n, 17, 48, 48) in [0, 1] and the features (n, channels, 192 / s, 192 / s)
            of each stride s.
        """
        above = (HEIGHT - SIDE) // 2
        padded = functional.pad(images, (0, 0, 0, 0, above, above))
        maps, *features = self._compute(normalise(padded, self.device).contiguous())
        maps, *features = (_middle(values) for values in (maps, *features))
        return _between(maps).clamp(0, 1), features


class _OpenVino:
    """One picture at a time, as the file asks for, two of them at once."""

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        import openvino

        core = openvino.Core()
        model = core.read_model(path)
        for name in names[1:]:
            model.add_outputs(name)
        self._model = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
        self._names = names
        self._queue = openvino.AsyncInferQueue(self._model)
        self._queue.set_callback(self._keep)
        self._found: list[list[np.ndarray]] = []

    def _keep(self, request: Any, index: int) -> None:
        self._found[index] = [request.get_tensor(name).data.copy() for name in self._names]

    def __call__(self, images: Tensor) -> list[Tensor]:
        self._found = [[]] * len(images)
        for index, image in enumerate(images.numpy()):
            self._queue.start_async({0: image[None]}, index)
        self._queue.wait_all()
        return [torch.from_numpy(np.concatenate(rows)) for rows in zip(*self._found, strict=True)]


def _middle(values: Tensor) -> Tensor:
    """The rows that the crop takes of (n, c, h, w)."""
    height, width = values.shape[2:]
    above = (height - width) // 2
    return values[:, :, above : above + width]


def _between(maps: Tensor) -> Tensor:
    """Read (n, k, h, w) ``OFFSET`` cells to the right and below, linearly."""
    for axis in (2, 3):
        last = maps.narrow(axis, maps.shape[axis] - 1, 1)
        following = torch.cat((maps.narrow(axis, 1, maps.shape[axis] - 1), last), axis)
        maps = maps + (following - maps) * OFFSET
    return maps


class Imitation:
    """The targets that the teacher and the labels give together, and the loss of the features."""

    def __init__(self, teacher: Teacher, network: ConvNeXtPose) -> None:
        self.teacher = teacher
        self._seen: dict[str, Tensor] = {}
        for name, _ in FEATURES.values():
            network.get_submodule(name).register_forward_hook(self._see(name))
        self.adapters = Adapters([widths for _, widths in FEATURES.values()], teacher.device)

    def _see(self, name: str) -> Any:
        def keep(_module: nn.Module, _given: Any, output: Tensor) -> None:
            self._seen[name] = output

        return keep

    def __call__(self, images: Tensor, target: Tensor) -> tuple[Tensor, Marginals, Tensor]:
        """After the network saw ``images``, uint8 RGB (n, 192, 192, 3).

        Args:
            images: of the batch.
            target: (n, 17, 5), as ``train_pose.pose_loss`` takes it.

        Returns:
            The target and the marginals of 24x24 cells for ``pose_loss``, and the loss of the
            features (1: nothing of them is explained).
        """
        maps, features = self.teacher(images)
        target, wanted = together(maps, target, SIDE // 8)
        seen = [self._seen[name] for name, _ in FEATURES.values()]
        return target, wanted, self.adapters(seen, features)


@torch.no_grad()
def together(maps: Tensor, target: Tensor, cells: int) -> tuple[Tensor, Marginals]:
    """Labels and a teacher's heatmaps as one target.

    Args:
        maps: (n, k, side, side) in [0, 1].
        target: (n, k, 5) x, y, z in [0, 1] and the weights of xy and z.
        cells: a side of the marginals; it divides that of the maps.

    Returns:
        The target, x and y the mean of both where they agree, the teacher's where there is no
        label and it is sure enough, else the label's; and the marginals likewise, flat where
        there is neither a label nor anything for the teacher.
    """
    peak = maps.amax((2, 3))
    given = maps**POWER
    given = given / given.sum((2, 3), keepdim=True).clamp(min=1e-9)
    side = maps.shape[-1]
    middles = (torch.arange(side, device=maps.device) + 0.5) / side
    place = torch.stack(((given.sum(2) * middles).sum(2), (given.sum(3) * middles).sum(2)), 2)
    given = functional.avg_pool2d(given, side // cells) * (side // cells) ** 2
    sure, labelled = peak > LEAST_PEAK, target[..., 3] > 0
    near = (place - target[..., :2]).norm(dim=2) < AGREE
    share = torch.where(labelled, 0.5 * near, 1.0) * sure  # of the teacher
    weight = torch.where(labelled, target[..., 3], peak * sure)
    xy = torch.lerp(target[..., :2], place, share[..., None])
    plane = torch.lerp(marginal(target, cells, cells), given, share[..., None, None])
    nothing = ~labelled & (peak < NO_PEAK)
    plane = torch.where(nothing[..., None, None], 1 / cells**2, plane)
    marginals = Marginals(plane, torch.where(nothing, FLAT_WEIGHT, weight))
    return torch.cat((xy, target[..., 2:3], weight[..., None], target[..., 4:]), 2), marginals


def marginal(target: Tensor, height: int, width: int, sigma: float = 1.0) -> Tensor:
    """Gaussians of ``sigma`` cells around x, y of (n, k, >= 2): (n, k, height, width)."""

    def along(positions: Tensor, length: int) -> Tensor:
        cell = torch.arange(length, device=target.device) + 0.5
        away = cell - positions[..., None] * length
        return torch.softmax(-(away**2) / (2 * sigma**2), dim=-1)

    rows, columns = along(target[..., 1], height), along(target[..., 0], width)
    return rows[..., :, None] * columns[..., None, :]
