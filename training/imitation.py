"""A teacher's whole output as the detector's target: every cell's score and box, and features.

Boxes that are merged once and then cut into mosaics say little of a picture: who else is in it,
how sure one can be, what a chair looks like. The teacher, YOLOX-nano, has the detector's strides
and cells, so it is run on the very picture that the detector is shown, and each cell is compared
with its own. People of the labels whom it misses are taught by the labels, and where the labels,
which a second teacher has a say in, know of nobody, its score counts for less.
No weight of it goes into the detector.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from training.detector_loss import LossOptions, assign, pair_iou
from training.detector_net import NECK_WIDTH, STRIDES, all_centres
from training.features import Adapters
from training.onnx_graph import OnnxGraph
from training.teachers import PERSON

TEACHER_WIDTH = 64
# The inputs of the teacher's two towers at each stride.
TEACHER_FEATURES = ("input.599", "input.671", "input.743")
SCORE_WEIGHT, BOX_WEIGHT, FEATURE_WEIGHT = 1.0, 2.0, 1.0
LEAST_SCORE = 0.05  # below it the teacher's box means nothing
FOUND_SCORE, FOUND_IOU = 0.2, 0.5  # from where the teacher counts as having found somebody
ALONE = 0.2  # what a score is multiplied by where the labels know of nobody


class Teacher:
    """YOLOX-nano on a batch.

    Args:
        folder: with ``yolox_nano.onnx``.
        device: to compute on.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        path = folder / "yolox_nano.onnx"
        self.graph = OnnxGraph(path, ("output", *TEACHER_FEATURES), device)
        self.device = device

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See uint8 RGB images (n, h, w, 3), h and w multiples of 32.

        Returns:
            Scores (n, A), boxes (n, A, 4) xyxy px in the order of the detector's cells, and
            features (n, 64, h / s, w / s) of each stride s.
        """
        bgr = images.to(self.device, non_blocking=True).flip(3).permute(0, 3, 1, 2).float()
        out, *features = self.graph(bgr.contiguous(memory_format=torch.channels_last))
        centres, strides = all_centres(images.shape[1], images.shape[2], self.device)
        strides = strides[:, None]
        middle = out[..., :2] * strides + centres - strides / 2
        half = out[..., 2:4].exp() * strides / 2
        boxes = torch.cat((middle - half, middle + half), dim=2)
        return out[..., 4] * out[..., 5 + PERSON], boxes, features


class Imitation:
    """The loss of a batch against the teacher."""

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self.adapters = Adapters([(NECK_WIDTH, TEACHER_WIDTH)] * len(STRIDES), teacher.device)

    def __call__(
        self, images: Tensor, logits: Tensor, boxes: Tensor, features: list[Tensor],
        truth: Tensor, kind: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
        """Compare what the detector makes of ``images`` with what the teacher does.

        Args:
            images: uint8 RGB (n, h, w, 3).
            logits: (n, A); boxes: (n, A, 4) xyxy px; features: of the detector's neck.
            truth: (n, G, 4) and kind: (n, G), as ``detector_loss`` takes them.

        Returns:
            The loss, and its parts for the log: of the scores (without what no answer could
            save), of the boxes, of the features (1: nothing of them is explained).
        """
        scores, wanted, teacher_features = self.teacher(images)
        scores, wanted = correct(scores, wanted, logits, boxes, truth, kind, images.shape[1:3])
        total = scores.sum().clamp(min=1)
        least = functional.binary_cross_entropy(scores, scores, reduction="sum")
        error = functional.binary_cross_entropy_with_logits(logits, scores, reduction="sum")
        score_loss = (error - least) / total
        clear = scores > LEAST_SCORE
        weight = scores[clear]
        giou = pair_iou(boxes[clear], wanted[clear], generalised=True)
        box_loss = ((1 - giou) * weight).sum() / weight.sum().clamp(min=1)
        feature_loss = self.adapters(features, teacher_features)
        loss = SCORE_WEIGHT * score_loss + BOX_WEIGHT * box_loss + FEATURE_WEIGHT * feature_loss
        parts = {"score": score_loss, "box": box_loss, "features": feature_loss}
        return loss, {name: value.detach() for name, value in parts.items()}


@torch.no_grad()
def correct(
    scores: Tensor, wanted: Tensor, logits: Tensor, boxes: Tensor, truth: Tensor, kind: Tensor,
    size: torch.Size,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The teacher's scores (n, A) and boxes (n, A, 4), corrected by the labels.

    People whom it missed are added; a score for somebody whom they do not know is lowered.
    """
    overlap = pair_iou(wanted[:, None], truth[:, :, None])  # (n, G, A)
    same = (overlap > FOUND_IOU) & (kind > 0)[..., None]
    found = (same & (scores > FOUND_SCORE)[:, None]).any(-1)
    scores = torch.where(same.any(1), scores, scores * ALONE)
    centres, strides = all_centres(size[0], size[1], scores.device)
    target, owner = assign(
        logits.sigmoid(), boxes, truth, (kind > 0) & ~found, centres, strides, LossOptions()
    )
    theirs = truth.gather(1, owner[..., None].expand(-1, -1, 4))
    more = target > scores
    return torch.where(more, target, scores), torch.where(more[..., None], theirs, wanted)
