"""The pose network's loss: joints in the plane, depth, and the order in depth."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pose_estimation_ros.engine.networks.convnextpose import soft_argmax
from training.common.data import FLIP
from training.distillation.pose import Marginals, gaussian_marginals

LEFT = np.arange(5, len(FLIP), 2)  # of the body; each with its right joint
RIGHT = np.array(FLIP)[LEFT]
MIN_DEPTH_GAP = 0.03  # of the volume: pairs count from a difference of 6 cm on
ORDER_SOFTNESS = 0.03


def pose_loss(
    volume: Tensor,
    target: Tensor,
    marginals: Marginals | None = None,
    weights: tuple[float, float, float, float] = (7.0, 6.0, 1.5, 1.0),
) -> tuple[Tensor, dict[str, Tensor]]:
    """L1 of the soft-argmax and of z, cross-entropy of the marginal in the plane, order in depth.

    Args:
        volume: logits (n, joints, depth, h, w).
        target: (n, joints, 5) x, y, z in [0, 1] and the weights of xy and z.
        marginals: their targets; Gaussians of one cell around x, y where None.
        weights: of the four parts. The cross-entropy of the marginals learns fastest; L1 alone
            leaves them broad (Sun et al., ECCV 2018).

    Returns:
        The loss and its parts for the log.
    """
    depth, height, width = volume.shape[2:]
    cells, plane = soft_argmax(volume)
    size = torch.tensor((width, height, depth), device=cells.device)
    places = (cells + 0.5) / size
    error = (places - target[..., :3]).abs()
    on, on_z = target[..., 3], target[..., 4]
    count, count_z = on.sum().clamp(min=1), on_z.sum().clamp(min=1)
    l1 = (error[..., :2].sum(-1) * on).sum() / count
    l1_z = (error[..., 2] * on_z).sum() / count_z

    wanted, weight = marginals or (gaussian_marginals(target, height, width), on)
    entropy = -(wanted * plane.clamp(min=1e-9).log()).sum((-1, -2))
    entropy = (entropy * weight).sum() / count
    order = order_loss(places[..., 2], target)
    loss = weights[0] * l1 + weights[1] * l1_z + weights[2] * entropy + weights[3] * order
    parts = {"l1": l1, "l1_z": l1_z, "entropy": entropy, "order": order}
    return loss, {name: value.detach() for name, value in parts.items()}


def order_loss(z: Tensor, target: Tensor) -> Tensor:
    """Which of a left and a right joint is nearer: log-loss of the difference's sign.

    As in Pavlakos et al., CVPR 2018. L1 alone leaves a doubtful pair near a difference of 0,
    where its sign is chance.

    Args:
        z: (n, joints) in [0, 1]; target: as of ``pose_loss``.
    """
    wanted = target[:, LEFT, 2] - target[:, RIGHT, 2]
    given = z[:, LEFT] - z[:, RIGHT]
    on = torch.minimum(target[:, LEFT, 4], target[:, RIGHT, 4]) * (wanted.abs() > MIN_DEPTH_GAP)
    loss = functional.softplus(-wanted.sign() * given / ORDER_SOFTNESS)
    return (loss * on).sum() / on.sum().clamp(min=1)
