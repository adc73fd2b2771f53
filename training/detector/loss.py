"""The detector's loss by labels.

The score learns the IoU of its box by plain cross-entropy: focal weights leave it near 0.3, as
they fade long before the target is met. Boxes learn by GIoU (Rezatofighi et al., CVPR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor
from torch.nn import functional

from training.common.assignment import EPS, AssignmentOptions, all_centres, assign, pair_iou


@dataclass(frozen=True)
class LossOptions:
    """Weights of the parts, and the assignment."""

    score_weight: float = 0.5
    box_weight: float = 4.0
    ignored_overlap: float = 0.5
    assignment: AssignmentOptions = field(default_factory=AssignmentOptions)


def detector_loss(
    logits: Tensor,
    boxes: Tensor,
    truth: Tensor,
    kind: Tensor,
    size: tuple[int, int],
    options: LossOptions | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a batch.

    Args:
        logits: (n, A); boxes: (n, A, 4) xyxy px, as the network gives them.
        truth: (n, G, 4) boxes in px, padded.
        kind: (n, G) 1 for a person, -1 for an unsure one, which counts neither as a person nor
            as background, 0 for padding.
        size: height and width in px.

    Returns:
        The loss, and its parts for the log.
    """
    options = options or LossOptions()
    centres, strides = all_centres(*size, boxes.device)
    scores = logits.detach().sigmoid()
    target, owner = assign(
        scores, boxes.detach(), truth, kind > 0, centres, strides, options.assignment
    )
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
