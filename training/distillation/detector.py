"""The detector's loss against YOLOX-nano: every cell's score and box, and features.

The teacher has the detector's strides and cells, so it is run on the very picture that the
detector is shown, and each cell is compared with its own. Labelled people that the teacher misses
are taught by the labels; scores of the teacher that no label confirms count for less, as a second
teacher has its say in the labels. Labels alone teach less: a box that was cut by a mosaic may be
empty, and no box tells how certain it is or what is beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.common.assignment import STRIDES, AssignmentOptions, all_centres, assign, pair_iou
from training.common.image_pool import NOBODY_ELSE
from training.distillation.feature_adapters import FeatureAdapters
from training.distillation.teachers import YOLOX_WIDTH, YoloxTeacher

SCORE_WEIGHT, BOX_WEIGHT, FEATURE_WEIGHT = 1.0, 2.0, 1.0
MIN_SCORE = 0.05  # of the teacher, for its box to be a target
FOUND_SCORE, FOUND_IOU = 0.2, 0.5  # from which the teacher counts as having found a person
UNCONFIRMED = 0.2  # factor of the scores where no labelled person is


class DetectorDistillation:
    """The loss of a batch against the teacher.

    Args:
        teacher: to compare with.
        width: channels of the detector's neck.
    """

    def __init__(self, teacher: YoloxTeacher, width: int) -> None:
        self.teacher = teacher
        self.adapters = FeatureAdapters([(width, YOLOX_WIDTH)] * len(STRIDES), teacher.device)

    def __call__(
        self,
        images: Tensor,
        logits: Tensor,
        boxes: Tensor,
        features: list[Tensor],
        truth: Tensor,
        kind: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compare the detector's output for ``images`` with the teacher's.

        Args:
            images: uint8 RGB (n, h, w, 3).
            logits: (n, A); boxes: (n, A, 4) xyxy px; features: of the detector's neck.
            truth: (n, G, 4) and kind: (n, G), as ``detector_loss`` takes them.

        Returns:
            The loss, and its parts for the log: of the scores (the teacher's own entropy taken
            off), of the boxes, of the features (1: nothing of them is explained).
        """
        scores, wanted, teacher_features = self.teacher(images)
        scores, wanted = correct_by_labels(
            scores, wanted, logits, boxes, truth, kind, images.shape[1:3]
        )
        total = scores.sum().clamp(min=1)
        least = functional.binary_cross_entropy(scores, scores, reduction="sum")
        error = functional.binary_cross_entropy_with_logits(logits, scores, reduction="sum")
        score_loss = (error - least) / total
        clear = scores > MIN_SCORE
        weight = scores[clear]
        giou = pair_iou(boxes[clear], wanted[clear], generalised=True)
        box_loss = ((1 - giou) * weight).sum() / weight.sum().clamp(min=1)
        feature_loss = self.adapters(features, teacher_features)
        loss = SCORE_WEIGHT * score_loss + BOX_WEIGHT * box_loss + FEATURE_WEIGHT * feature_loss
        parts = {"score": score_loss, "box": box_loss, "features": feature_loss}
        return loss, {name: value.detach() for name, value in parts.items()}


@torch.no_grad()
def correct_by_labels(
    scores: Tensor,
    wanted: Tensor,
    logits: Tensor,
    boxes: Tensor,
    truth: Tensor,
    kind: Tensor,
    size: torch.Size,
) -> tuple[Tensor, Tensor]:
    """The teacher's scores (n, A) and boxes (n, A, 4), corrected by the labels.

    Labelled people whom it missed are added; scores for people who are not labelled are lowered,
    to 0 where it is known that nobody else is there.
    """
    overlap = pair_iou(wanted[:, None], truth[:, :, None])  # (n, G, A)
    same = (overlap > FOUND_IOU) & (kind > 0)[..., None]
    found = (same & (scores > FOUND_SCORE)[:, None]).any(-1)
    doubt = torch.where((kind == NOBODY_ELSE).any(1), 0.0, UNCONFIRMED)[:, None]
    scores = torch.where(same.any(1), scores, scores * doubt)
    centres, strides = all_centres(size[0], size[1], scores.device)
    target, owner = assign(
        logits.sigmoid(), boxes, truth, (kind > 0) & ~found, centres, strides, AssignmentOptions()
    )
    theirs = truth.gather(1, owner[..., None].expand(-1, -1, 4))
    more = target > scores
    return torch.where(more, target, scores), torch.where(more[..., None], theirs, wanted)
