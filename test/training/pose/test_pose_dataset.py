"""Targets of the pose network."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.pose.dataset import build_targets  # noqa: E402


def test_targets_prefer_coco_then_agreement_then_ground_truth_over_an_unsure_teacher():
    truth = np.zeros((3, 17, 3))
    teacher = np.full((3, 17, 3), 100.0)
    teacher[..., 2] = 0.9
    truth[0, 5], truth[1, 5], truth[2, 5] = (150, 100, 1), (105, 100, 1), (180, 100, 1)
    world = np.full((3, 17, 5), 100.0)
    world[..., 3] = 0.2
    world[:, 5, 3] = 0.5
    labels = {
        "ground_truth": truth,
        "teacher": teacher,
        "world": world,
        "source": np.array(["coco", "lspet", "lspet"]),
    }
    targets = build_targets(labels)
    assert targets.joints[0, 5, 0] == 150
    assert 100 < targets.joints[1, 5, 0] < 105
    assert targets.joints[2, 5, 0] == 180
    assert targets.weight[:, 5].tolist() == pytest.approx([1, 1, 0.4])
    assert targets.weight[1, 7] == pytest.approx(0.9)
    assert targets.joints[1, 5, 2] == pytest.approx(0.3)
    assert targets.weight_z[2, 5] == 0, "the depth belongs to a joint that is elsewhere"
