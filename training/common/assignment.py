"""The detector's cells, and the assignment of people to them.

Cells are assigned by task alignment (Feng et al., "TOOD: Task-aligned One-stage Object
Detection", ICCV 2021): a person takes the cells inside its box that already score and fit best.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

STRIDES = (8, 16, 32)
EPS = 1e-7


@dataclass(frozen=True)
class AssignmentOptions:
    """The constants of the assignment."""

    cells_per_person: int = 9
    score_power: float = 0.5
    iou_power: float = 4.0


def cell_centres(features: Tensor, stride: int) -> Tensor:
    """Centres (1, h * w, 2) in px of the cells of a map (n, c, h, w), row by row."""
    h, w = features.shape[-2:]
    xs = (torch.arange(w, device=features.device, dtype=torch.float32) + 0.5) * stride
    ys = (torch.arange(h, device=features.device, dtype=torch.float32) + 0.5) * stride
    grid = torch.stack((xs[None].expand(h, w), ys[:, None].expand(h, w)), dim=2)
    return grid.reshape(1, -1, 2)


def all_centres(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Centres (A, 2) in px and strides (A,) of all cells, in the order of the output."""
    centres, strides = [], []
    for stride in STRIDES:
        shape = torch.empty(0, 1, height // stride, width // stride, device=device)
        centres.append(cell_centres(shape, stride)[0])
        strides.append(torch.full((len(centres[-1]),), float(stride), device=device))
    return torch.cat(centres), torch.cat(strides)


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
    scores: Tensor,
    boxes: Tensor,
    truth: Tensor,
    valid: Tensor,
    centres: Tensor,
    strides: Tensor,
    options: AssignmentOptions,
) -> tuple[Tensor, Tensor]:
    """Assign a person or none to every cell.

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
