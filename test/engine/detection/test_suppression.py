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


def test_a_crowd_is_as_large_as_it_is() -> None:
    persons, candidates = 200, 60  # of each person, as of people near a large detector
    left = np.repeat(np.arange(persons) * 100.0, candidates)
    x = left + np.tile(np.linspace(0, 5, candidates), persons)
    boxes = np.stack([x, 0 * x, x + 50, 0 * x + 100], axis=1)
    scores = np.random.default_rng(1).uniform(0.4, 0.9, len(x))
    kept, _ = suppress(boxes.astype(np.float32), scores.astype(np.float32), DetectorOptions())
    assert len(np.unique(kept[:, 0] // 100)) == len(kept) == persons


def test_boxes_without_an_inside_are_nobody() -> None:
    boxes = np.array([[10, 10, 0, 0], [5, 5, 5, 50], [0, 0, 10, 10]], np.float32)
    kept, _ = suppress(boxes, np.array([0.9, 0.9, 0.8], np.float32), DetectorOptions())
    np.testing.assert_array_equal(kept, boxes[[2]])
