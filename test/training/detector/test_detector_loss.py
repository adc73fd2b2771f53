"""The loss of the detector by labels."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.common.assignment import all_centres  # noqa: E402
from training.detector.loss import detector_loss  # noqa: E402

CPU = torch.device("cpu")


def test_perfect_boxes_cost_less_and_unsure_people_cost_nothing():
    centres, _ = all_centres(64, 64, CPU)
    count = len(centres)
    truth = torch.tensor([[[8.0, 8, 56, 56]]])
    perfect = truth.expand(1, count, 4).clone()
    logits = torch.full((1, count), 4.0)
    person, unsure = torch.tensor([[1.0]]), torch.tensor([[-1.0]])
    taught, parts = detector_loss(logits, perfect, truth, person, (64, 64))
    assert parts["iou"] == pytest.approx(1, abs=1e-4)
    missed, _ = detector_loss(logits, perfect + 40, truth, person, (64, 64))
    assert float(taught) < float(missed)
    ignored, _ = detector_loss(logits, perfect, truth, unsure, (64, 64))
    assert float(ignored) == 0
