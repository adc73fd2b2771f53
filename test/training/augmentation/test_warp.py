"""Moving batches of pictures."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.augmentation.warp import at, move, similarity, warp  # noqa: E402


def test_pictures_are_sampled_where_their_points_go():
    picture = torch.zeros(1, 1, 64, 64)
    picture[0, 0, 20:23, 40:43] = 1
    linear = similarity(*(torch.tensor([v]) for v in (1.5, 0.4, -1.0)))
    middle = torch.tensor([[[41.0, 21.0]]])
    shift = 48 - move(middle, linear, torch.zeros(1, 2))[:, 0]
    moved = warp(picture, linear, shift, 96)
    ys, xs = (moved[0, 0] > 0.5).nonzero().float().mean(0)
    assert (float(xs), float(ys)) == pytest.approx((48, 48), abs=0.6)
    assert at(moved[:, 0], torch.tensor([[[48.0, 48], [60, 48], [-3, 200]]])).tolist() == [
        [True, False, False]
    ]
    outside = warp(picture + 1, linear, shift + 200, 96, torch.tensor([True]))
    assert outside.min() == 1, "the border goes on"
    assert warp(picture + 1, linear, shift + 200, 96).max() == 0
