"""Boxes that follow the joints between two runs of the detector."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.detection.box_propagation import BoxPropagator


def test_a_propagated_box_moves_and_grows_with_the_joints() -> None:
    rng = np.random.default_rng(3)
    joints, scores = rng.uniform(100, 200, (17, 2)), np.full(17, 0.8)
    shift = np.array([15.0, -4.0])
    propagator = BoxPropagator(np.array([80.0, 70, 220, 240]), joints, scores)
    np.testing.assert_allclose(propagator.update(joints, scores), [80, 70, 220, 240], atol=1e-3)
    moved = propagator.update(joints + shift, scores)
    np.testing.assert_allclose(moved, [95, 66, 235, 236], atol=1e-3)
    lost = scores.copy()
    lost[:8] = 0.0  # half the joints vanish: the box stays as it is
    np.testing.assert_allclose(propagator.update(joints + shift, lost), moved, atol=1e-3)
    grown = propagator.update(joints * 1.1, scores)
    np.testing.assert_allclose(grown, np.array([80, 70, 220, 240]) * 1.1, rtol=1e-3)
    wild = propagator.update(joints * 3, scores)  # no person triples from frame to frame
    assert wild[2] - wild[0] <= 1.16 * (grown[2] - grown[0])
    np.testing.assert_array_equal(propagator.update(joints, np.eye(17)[0]), wild)


def test_joints_that_stay_keep_the_very_same_box() -> None:
    """Another crop by a rounding is another pose where a quantised network is unsure."""
    rng = np.random.default_rng(5)
    for _ in range(200):
        box = rng.uniform(0, 600, 4).astype(np.float32)
        box[2:] += box[:2] + 20
        xy, scores = rng.uniform(0, 600, (17, 2)).astype(np.float32), np.full(17, 0.8, np.float32)
        propagator = BoxPropagator(box, xy, scores)
        for _ in range(3):
            np.testing.assert_array_equal(propagator.update(xy, scores), box)
