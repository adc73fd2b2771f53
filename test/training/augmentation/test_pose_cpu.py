"""Augmentation of one crop at a time: joints stay on what they mark."""

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs PyTorch")

from training.augmentation.pose_cpu import Sample, augment, cut_off, similarity
from training.common.data import CROP_SIDE, FLIP

BLACK = np.zeros((CROP_SIDE, CROP_SIDE, 3), np.uint8)


def person(joint=9, x=150.0, y=90.0):
    """A white spot at one joint; all others are known, in the middle."""
    image = BLACK.copy()
    cv2.circle(image, (round(x), round(y)), 6, (255, 255, 255), -1)
    joints = np.full((17, 3), CROP_SIDE / 2, np.float32)
    joints[joint, :2] = x, y
    weight = np.zeros((17, 3), np.float32)
    weight[:, 0] = 1
    return Sample(image, joints, weight)


@pytest.mark.parametrize("seed", range(20))
def test_a_joint_stays_on_its_spot(seed):
    rng = np.random.default_rng(seed)
    found = augment(person(), BLACK, 192, rng, strength=0.0)
    ys, xs = np.nonzero(found.image[..., 0] > 128)
    spot = np.array((xs.mean(), ys.mean()))
    joint = min((9, FLIP[9]), key=lambda k: np.abs(found.joints[k, :2] - spot).max())
    np.testing.assert_allclose(found.joints[joint, :2], spot, atol=1.0)
    mirrored = joint != 9
    assert mirrored == (spot[0] < 96), "the spot is right of the middle"


def test_some_are_mirrored_and_all_stay_in_range():
    sides = set()
    for seed in range(30):
        found = augment(person(), BLACK, 192, np.random.default_rng(seed))
        assert found.image.shape == (192, 192, 3)
        assert found.image.dtype == np.uint8
        inside = ((found.joints[:, :2] >= 0) & (found.joints[:, :2] <= 191)).all(1)
        assert not found.weight[~inside, :2].any()
        assert (found.weight[~inside, 2] == 1).all(), "known, but not to be seen"
        sides.add(bool(np.allclose(found.joints[9, :2], found.joints[8, :2], atol=0.1)))
    assert sides == {True, False}


def test_beyond_a_cut_nothing_is_known():
    rows = np.linspace(60, 200, 17, dtype=np.float32)
    joints = np.stack((np.full(17, 128.0), rows, np.zeros(17)), 1).astype(np.float32)
    weight = np.ones((17, 3), np.float32)
    weight[:, 2] = 0
    image = np.full_like(BLACK, 255)
    cut = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found, middle, longer = cut_off(Sample(image, joints, weight), BLACK, rng)
        lost = found.weight[:, 0] == 0
        cut += bool(lost.any())
        assert (~lost).sum() >= 4
        assert not found.weight[lost, :2].any()
        assert 0 < longer <= CROP_SIDE
        assert (middle > 0).all()
    assert cut > 20
    assert image.min() == 255, "the stored crop is left alone"


def test_the_similarity_brings_the_middle_to_the_middle():
    matrix = similarity(np.array((30.0, 80.0)), 1.5, 0.3, True, 100)
    np.testing.assert_allclose(matrix @ (30, 80, 1), (49.5, 49.5))
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(-(1.5**2))
