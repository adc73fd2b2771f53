"""The pose network's loss: joints in the plane, depth, and the order in depth."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pose_estimation_ros.engine.networks.convnextpose import soft_argmax
from training.common.data import FLIP
from training.distillation.pose import Marginals, gaussian_marginals
from training.pose.heads import Located, place

LEFT = np.arange(5, len(FLIP), 2)  # of the body; each with its right joint
RIGHT = np.array(FLIP)[LEFT]
MIN_DEPTH_GAP = 0.03  # of the volume: pairs count from a difference of 6 cm on
ORDER_SOFTNESS = 0.03
ABSENT_WEIGHT = 0.25  # of the flat marginal of a joint that is not to be seen
SIGMA = 1.25 / 48  # of the target Gaussians in the plane, of the crop's side; one cell at least
SIGMA_BINS = 5 / 384  # of those of one axis


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


def marginal_loss(
    located: Located,
    target: Tensor,
    coordinates: float = 0.0,
    weights: tuple[float, float, float] = (1.5, 6.0, 1.0),
) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy of the marginals, L1 of z, order in depth.

    The cross-entropy is the KL divergence up to a constant. An absent joint's marginal is to be
    flat.

    Args:
        located: a head's marginals and z.
        target: (n, joints, 6) x, y, z in [0, 1], the weights of xy and z, and absent.
        coordinates: weight of the L1 of the marginals' mean.
        weights: of the three parts.

    Returns:
        The loss and its parts for the log.
    """
    on, on_z, absent = target[..., 3], target[..., 4], target[..., 5]
    count = on.sum().clamp(min=1)
    each = on + ABSENT_WEIGHT * absent * (on == 0)
    entropy = torch.zeros_like(on)
    # Of both axes apart, or of the plane.
    axes = ((located.plane, 0), (located.rows, 1)) if located.rows is not None else ()
    for log, axis in axes:
        assert log is not None
        wanted = gaussian_bins(target[..., axis], log.shape[2])
        flat = 1 / log.shape[2]
        wanted = torch.where((absent > 0)[..., None], flat, wanted)
        entropy = entropy - (wanted * log).sum(2)
    if located.rows is None:
        height, width = located.plane.shape[2:]
        wanted = gaussian_marginals(target, height, width, max(1.0, SIGMA * width))
        wanted = torch.where((absent > 0)[..., None, None], 1 / (height * width), wanted)
        entropy = -(wanted * located.plane).sum((2, 3))
    entropy = (entropy * each).sum() / count
    l1_z = ((located.z - target[..., 2]).abs() * on_z).sum() / on_z.sum().clamp(min=1)
    order = order_loss(located.z, target)
    loss = weights[0] * entropy + weights[1] * l1_z + weights[2] * order
    l1 = ((place(located) - target[..., :2]).abs().sum(2) * on).sum() / count
    loss = loss + coordinates * l1
    parts = {"entropy": entropy, "l1": l1, "l1_z": l1_z, "order": order}
    return loss, {name: value.detach() for name, value in parts.items()}


def gaussian_bins(positions: Tensor, bins: int) -> Tensor:
    """Gaussians around positions (n, k) in [0, 1] of an axis: (n, k, bins), of a sum of 1."""
    away = torch.arange(bins, device=positions.device) + 0.5 - positions[..., None] * bins
    return torch.softmax(-(away**2) / (2 * (SIGMA_BINS * bins) ** 2), dim=-1)
