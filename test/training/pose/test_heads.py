"""Heads of other grids on the published backbone, and their loss."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from pose_estimation_ros.engine.networks.convnextpose import (  # noqa: E402
    ConvNeXtPose,
    soft_argmax,
)
from training.pose.heads import HEADS, Located, MultiHeadPose, log_marginals, place  # noqa: E402
from training.pose.loss import marginal_loss  # noqa: E402


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(0)
    return ConvNeXtPose("XS", 17, 8).eval()


def peaked(x, y, cells=48):
    """A head's answer of one joint that is sure of x, y in [0, 1]."""
    middles = (torch.arange(cells) + 0.5) / cells
    away = (middles - x) ** 2 + (middles[:, None] - y) ** 2
    return log_marginals((-away * cells**2 / 3)[None, None])


def target_at(x, y, weight=1.0, absent=0.0):
    return torch.tensor([[[x, y, 0.5, weight, 0.0, absent]]]).expand(1, 17, 6)


def located(plane):
    return Located(plane.expand(1, 17, -1, -1), torch.full((1, 17), 0.5))


def test_the_volume_head_computes_what_the_published_network_does(published):
    network = MultiHeadPose(["volume"], published).eval()
    x = torch.randn(2, 3, 192, 192)
    with torch.no_grad():
        found, volume = network(x)["volume"], published.volume(x)
    cells, plane = soft_argmax(volume)
    torch.testing.assert_close(found.plane.exp(), plane, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(place(found), (cells[..., :2] + 0.5) / 24, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.z, (cells[..., 2] + 0.5) / 8, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", list(HEADS))
def test_every_head_gives_marginals_of_one_and_trains(published, name):
    network = MultiHeadPose([name], published).train()
    found = network(torch.randn(2, 3, 192, 192))[name]
    axes = (found.plane,) if found.rows is None else (found.plane, found.rows)
    for log in axes:
        torch.testing.assert_close(log.exp().flatten(2).sum(2), torch.ones(2, 17))
    assert found.z.shape == (2, 17)
    assert place(found).shape == (2, 17, 2)
    target = torch.rand(2, 17, 6)
    loss, _ = marginal_loss(found, target, coordinates=1.0)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_heads_of_the_same_kind_are_told_apart_by_a_number(published):
    network = MultiHeadPose(["volume", "volume2"], published).eval()
    with torch.no_grad():
        found = network(torch.randn(1, 3, 192, 192))
    torch.testing.assert_close(found["volume"].plane, found["volume2"].plane)


def test_the_simcc_head_is_small():
    assert sum(p.numel() for p in HEADS["simcc"]().parameters()) <= 400_000


def test_a_place_is_the_mean_in_the_crop_and_a_power_sharpens_it():
    both = torch.logaddexp(peaked(0.2, 0.3), peaked(0.8, 0.3) - 0.5)
    between, sharp = place(located(both)), place(located(log_marginals(both)), 8.0)
    assert 0.3 < float(between[0, 0, 0]) < 0.6
    assert float(sharp[0, 0, 0]) == pytest.approx(0.2, abs=0.02)
    assert float(between[0, 0, 1]) == pytest.approx(0.3, abs=0.01)


def test_the_loss_is_least_at_the_target():
    target = target_at(0.4, 0.6)
    there, _ = marginal_loss(located(peaked(0.4, 0.6)), target)
    beside, _ = marginal_loss(located(peaked(0.45, 0.6)), target)
    assert float(there) < float(beside)


def test_an_absent_joint_is_to_be_flat_and_an_unknown_one_costs_nothing():
    flat, sure = located(torch.full((1, 1, 48, 48), 48.0**-2).log()), located(peaked(0.4, 0.6))
    absent = target_at(0.4, 0.6, weight=0.0, absent=1.0)
    assert float(marginal_loss(flat, absent)[0]) < float(marginal_loss(sure, absent)[0])
    assert float(marginal_loss(sure, target_at(0.4, 0.6, weight=0.0))[0]) == 0


def test_coordinates_count_where_they_are_asked_for():
    target = target_at(0.4, 0.6)
    without, parts = marginal_loss(located(peaked(0.5, 0.6)), target)
    given, _ = marginal_loss(located(peaked(0.5, 0.6)), target, coordinates=7.0)
    assert float(given - without) == pytest.approx(7 * float(parts["l1"]), rel=1e-4)
    assert float(parts["l1"]) == pytest.approx(0.1, abs=0.01)
