"""Non-maximum suppression."""

import numpy as np
import pytest

from pose_estimation_ros.engine.detection.suppression import suppress
from pose_estimation_ros.settings import DetectorOptions


def test_overlapping_boxes_become_one_and_the_best_come_first() -> None:
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60], [1, 0, 11, 10]], np.float32)
    kept, scores = suppress(boxes, np.array([0.6, 0.9, 0.8], np.float32), DetectorOptions())
    np.testing.assert_array_equal(kept, boxes[[1, 2]])
    assert list(scores) == pytest.approx([0.9, 0.8])
    few = DetectorOptions(max_persons=1)
    assert len(suppress(boxes, np.array([0.6, 0.9, 0.8], np.float32), few)[0]) == 1
