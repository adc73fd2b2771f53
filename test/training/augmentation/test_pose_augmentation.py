"""Augmented crops."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.augmentation.pose import augment, colour, cut_off, jpeg  # noqa: E402
from training.common.rng import BatchRng  # noqa: E402

CPU = torch.device("cpu")


def test_mirrored_crops_keep_the_persons_own_left_at_the_same_side():
    joints = torch.zeros(200, 17, 3)
    joints[..., :2] = 128
    joints[:, 5, 0], joints[:, 6, 0] = 170, 86  # facing us: left shoulder at the right
    pictures, others = torch.zeros(200, 4, 256, 256), torch.zeros(200, 3, 256, 256)
    pictures, moved, _ = augment(
        pictures, joints, torch.ones(200, 17, 2), 64, others, BatchRng(0, CPU)
    )
    assert pictures.shape == (200, 3, 64, 64)
    # Not all: some crops are turned by any angle.
    assert (moved[:, 5, 0] > moved[:, 6, 0]).float().mean() > 0.95


def test_a_cut_crop_keeps_what_is_on_one_side_of_the_cut():
    count = 60
    pictures = torch.full((count, 4, 256, 256), 90.0)
    others = torch.full((count, 3, 256, 256), 200.0)
    joints = torch.zeros(count, 17, 3)
    joints[..., 0] = 128 + 10 * torch.tensor((1.0, -1.0)).repeat(9)[:17]
    joints[..., 1] = torch.linspace(45, 210, 17)
    weight = torch.ones(count, 17, 2)
    cut, left, middle, longer = cut_off(pictures, joints, weight, others, BatchRng(0, CPU))
    assert (weight == 1).all() and (pictures == 90).all(), "the stored crops are not touched"
    assert (left[..., 1] == left[..., 0]).all()
    kept = left[..., 0] > 0
    assert (kept.sum(1) >= 4).all() and not kept.all()
    away = (joints[..., :2] - middle[:, None]).abs().amax(2)
    assert (away[kept] < longer[:, None].expand(-1, 17)[kept] / 2 + 1e-3).all()
    x, y = joints[..., :2].long().unbind(2)
    shown = cut[torch.arange(count)[:, None], 0, y, x]
    assert (shown[kept] == 90).all()
    assert set(shown[~kept].tolist()) == {0, 90, 200}, (
        "the frame's end, a smaller crop, somebody else"
    )


def test_colours_are_changed_but_stay_colours_and_every_change_happens():
    ramp = torch.linspace(20, 230, 64).expand(96, 3, 64, 64).clone()
    ramp[:, :, 30:34] = 0
    changed = colour(ramp, BatchRng(0, CPU))
    assert changed.shape == ramp.shape
    assert changed.min() >= 0 and changed.max() <= 255
    edge = (changed[:, 0, 29, 40] - changed[:, 0, 30, 40]) / changed[:, 0, 10, 40]
    assert 0.05 < (edge < 0.8).float().mean() < 0.6, "a part of the pictures is less sharp"
    noisy = changed[:, 0, 10:20, 40].std(1)
    assert (noisy > 1).float().mean() > 0.05


def test_jpeg_loses_more_of_a_fine_pattern_than_of_a_plain_picture():
    plain = torch.full((8, 3, 32, 32), 120.0)
    fine = plain + 4 * torch.tensor((1.0, -1.0)).repeat(16)
    kept = [(jpeg(picture, BatchRng(0, CPU)) - picture).abs().mean() for picture in (plain, fine)]
    assert kept[0] < 1.5 < 3 < kept[1] < 4
