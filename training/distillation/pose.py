"""The pose network's targets and loss against PP-TinyPose: every joint's heatmap, and features.

The teacher is run on the very crop that the network is shown, and each joint's marginal is
compared with its heatmap. A labelled joint that it puts elsewhere, on a pasted person for
instance, is taught by the label. Labels alone say less of a crop that is cut off, covered or
shared: how sure one can be there, and where else a joint could be.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_estimation_ros.engine.networks.convnextpose import ConvNeXtPose
from training.distillation.feature_adapters import FeatureAdapters
from training.distillation.teachers import TINYPOSE_FEATURES, TINYPOSE_SIDE, TinyPoseTeacher

# The modules of XS whose outputs are compared with the teacher's features, and their channels.
STUDENT_FEATURES = {"head.deconv_layers_3": 128, "backbone.stages.2": 160, "backbone.norm": 320}
CELL = 8  # px of the student's marginals
# The teacher's maps are Gaussians of 2 cells on a floor of noise, which a power takes away.
POWER = 2
MIN_PEAK = 0.25  # of the teacher's heatmap, for its joint to be a target
# Without a label and with a lower peak there is no joint: the target marginal is flat.
NO_PEAK, FLAT_WEIGHT = 0.15, 0.25
AGREE = 0.1  # of the crop's side, between a label and the teacher's joint


class Marginals(NamedTuple):
    """Target marginals (n, k, h, w), each of a sum of 1, and their weights (n, k)."""

    plane: Tensor
    weight: Tensor


class PoseDistillation:
    """The joint targets of teacher and labels, and the loss of the features.

    Args:
        teacher: to compare with.
        network: its forward pass is observed from now on.
    """

    def __init__(self, teacher: TinyPoseTeacher, network: ConvNeXtPose) -> None:
        self.teacher = teacher
        self._seen: dict[str, Tensor] = {}
        for name in STUDENT_FEATURES:
            network.get_submodule(name).register_forward_hook(self._see(name))
        widths = list(zip(STUDENT_FEATURES.values(), TINYPOSE_FEATURES.values(), strict=True))
        self.adapters = FeatureAdapters(widths, teacher.device)

    def _see(self, name: str) -> Any:
        def keep(_module: nn.Module, _given: Any, output: Tensor) -> None:
            self._seen[name] = output

        return keep

    def __call__(self, images: Tensor, target: Tensor) -> tuple[Tensor, Marginals, Tensor]:
        """Call it after the network's forward pass on the same images.

        Args:
            images: uint8 RGB (n, 192, 192, 3).
            target: (n, 17, 5), as ``pose.loss.pose_loss`` takes it.

        Returns:
            The target and the marginals of 24x24 cells for ``pose_loss``, and the loss of the
            features (1: nothing of them is explained).
        """
        maps, features = self.teacher(images)
        target, wanted = merge_targets(maps, target, TINYPOSE_SIDE // CELL)
        seen = [self._seen[name] for name in STUDENT_FEATURES]
        return target, wanted, self.adapters(seen, features)


@torch.no_grad()
def merge_targets(maps: Tensor, target: Tensor, cells: int) -> tuple[Tensor, Marginals]:
    """Merge labels and a teacher's heatmaps into one target.

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
    sure, labelled = peak > MIN_PEAK, target[..., 3] > 0
    near = (place - target[..., :2]).norm(dim=2) < AGREE
    share = torch.where(labelled, 0.5 * near, 1.0) * sure  # of the teacher
    weight = torch.where(labelled, target[..., 3], peak * sure)
    xy = torch.lerp(target[..., :2], place, share[..., None])
    plane = torch.lerp(gaussian_marginals(target, cells, cells), given, share[..., None, None])
    nothing = ~labelled & (peak < NO_PEAK)
    plane = torch.where(nothing[..., None, None], 1 / cells**2, plane)
    marginals = Marginals(plane, torch.where(nothing, FLAT_WEIGHT, weight))
    return torch.cat((xy, target[..., 2:3], weight[..., None], target[..., 4:]), 2), marginals


def gaussian_marginals(target: Tensor, height: int, width: int, sigma: float = 1.0) -> Tensor:
    """Gaussians of ``sigma`` cells around x, y of (n, k, >= 2): (n, k, height, width)."""

    def along(positions: Tensor, length: int) -> Tensor:
        cell = torch.arange(length, device=target.device) + 0.5
        away = cell - positions[..., None] * length
        return torch.softmax(-(away**2) / (2 * sigma**2), dim=-1)

    rows, columns = along(target[..., 1], height), along(target[..., 0], width)
    return rows[..., :, None] * columns[..., None, :]
