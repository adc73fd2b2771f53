"""Assignment of people to cells, and the detector's loss.

Cells are assigned by task alignment (Feng et al., "TOOD: Task-aligned One-stage Object
Detection", ICCV 2021): a person takes the cells inside its box that already score and fit best.
The score learns the IoU of its box by plain cross-entropy: focal weights leave it near 0.3, as
they fade long before the target is met. Boxes learn by GIoU (Rezatofighi et al., CVPR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.detector_net import all_centres

EPS = 1e-7


@dataclass(frozen=True)
class LossOptions:
    """Weights and the assignment's constants."""

    score_weight: float = 0.5
    box_weight: float = 4.0
    cells_per_person: int = 9
    score_power: float = 0.5
    iou_power: float = 4.0
    ignored_overlap: float = 0.5


def pair_iou(a: Tensor, b: Tensor, generalised: bool = False) -> Tensor:
    """IoU, or GIoU, of boxes (..., 4) xyxy that broadcast against each other."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area_a, area_b = (a[..., 2:] - a[..., :2]).prod(-1), (b[..., 2:] - b[..., :2]).prod(-1)
    union = area_a + area_b - shared
    iou = shared / (union + EPS)
    if not generalised:
        return iou
    low, high = torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])
    hull = (high - low).prod(-1)
    return iou - (hull - union) / (hull + EPS)


@torch.no_grad()
def assign(
    scores: Tensor, boxes: Tensor, truth: Tensor, valid: Tensor, centres: Tensor,
    strides: Tensor, options: LossOptions,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Give every cell a person or none.

    Args:
        scores: (n, A) in [0, 1].
        boxes: (n, A, 4) predicted, xyxy px.
        truth: (n, G, 4) people, padded.
        valid: (n, G) bool, which rows of ``truth`` are people.
        centres: (A, 2) px; strides: (A,).

    Returns:
        Targets (n, A) of the score, 0 for background, and (n, A) the index of the person.
    """
    iou = pair_iou(boxes[:, None], truth[:, :, None])  # (n, G, A)
    # Very small or thin boxes hold no cell's centre: let them reach half a stride out.
    point, reach = centres[None, None], (strides / 2)[None, None]
    middle, half = (truth[..., :2] + truth[..., 2:]) / 2, (truth[..., 2:] - truth[..., :2]) / 2
    away = (point - middle[:, :, None]).abs()
    half = torch.maximum(half[:, :, None], reach[..., None].expand(*half.shape[:2], -1, 2))
    # Cells near the middle only: corners of a person's box mostly show background.
    near = torch.minimum(half, (3 * strides)[None, None, :, None])
    inside = (away < near).all(-1) & valid[..., None]
    fit = scores[:, None].clamp(min=EPS) ** options.score_power * iou**options.iou_power
    fit = torch.where(inside, fit + EPS * iou, torch.zeros_like(fit))
    top, index = fit.topk(min(options.cells_per_person, fit.shape[-1]), dim=-1)
    chosen = torch.zeros_like(fit).scatter_(-1, index, (top > 0).to(fit.dtype)) * inside
    # A cell that several people chose goes to the one that it overlaps most.
    owner = torch.where(chosen > 0, iou, torch.full_like(iou, -1)).argmax(dim=1)
    chosen = chosen * functional.one_hot(owner, fit.shape[1]).transpose(1, 2)
    fit = fit * chosen
    best_fit = fit.amax(-1, keepdim=True)
    best_iou = (iou * chosen).amax(-1, keepdim=True)
    target = (fit / (best_fit + 1e-12) * best_iou.clamp(min=0.1) * chosen).amax(1)
    return target, owner


def detector_loss(
    logits: Tensor, boxes: Tensor, truth: Tensor, kind: Tensor, size: tuple[int, int],
    options: LossOptions | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
    """Loss of a batch.

    Args:
        logits: (n, A); boxes: (n, A, 4) xyxy px, as the network gives them.
        truth: (n, G, 4) boxes in px, padded.
        kind: (n, G) 1 for a person, -1 for an unsure one, that is neither taught nor held
            against the network, 0 for padding.
        size: height and width in px.

    Returns:
        The loss, and its parts for the log.
    """
    options = options or LossOptions()
    centres, strides = all_centres(*size, boxes.device)
    scores = logits.detach().sigmoid()
    target, owner = assign(scores, boxes.detach(), truth, kind > 0, centres, strides, options)
    ignored = pair_iou(boxes.detach()[:, None], truth[:, :, None]) * (kind < 0)[..., None]
    background = (target == 0) & (ignored.amax(1) > options.ignored_overlap)
    total = target.sum().clamp(min=1)
    error = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    score_loss = (error * ~background).sum() / total
    positive = target > 0
    matched = truth.gather(1, owner[..., None].expand(-1, -1, 4))[positive]
    # Weighted by the target, but never by so little that a bad first box stays bad.
    weight = target[positive].clamp(min=0.1)
    giou = pair_iou(boxes[positive], matched, generalised=True)
    box_loss = ((1 - giou) * weight).sum() / weight.sum().clamp(min=EPS)
    iou = pair_iou(boxes[positive].detach(), matched).sum() / positive.sum().clamp(min=1)
    loss = options.score_weight * score_loss + options.box_weight * box_loss
    parts = {"score": score_loss.detach(), "box": box_loss.detach(), "iou": iou}
    return loss, parts
