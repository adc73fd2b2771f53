"""Pseudo-labels."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.distillation.labelling import merge  # noqa: E402


def test_merged_teachers_agree_or_are_lowered():
    one = (np.array([[0, 0, 10, 10]], np.float32), np.array([0.6], np.float32))
    two = (
        np.array([[1, 0, 11, 10], [50, 0, 60, 10]], np.float32),
        np.array([0.6, 0.5], np.float32),
    )
    boxes, confidence = merge(one, two)
    np.testing.assert_allclose(boxes[0], (0.5, 0, 10.5, 10), atol=1e-5)
    assert confidence[0] > 0.6
    assert confidence[1] < 0.5
    none = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    assert merge(none, none)[0].shape == (0, 4)
    assert len(merge(none, two)[0]) == 2
