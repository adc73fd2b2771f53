"""The averaged weights."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.common.checkpoint import moving_average  # noqa: E402


def test_the_average_follows_quickly_at_first_and_slowly_later():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    average = moving_average(network, decay=0.9)
    by_hand = {}
    for count in range(200):
        with torch.no_grad():
            for value in network.parameters():
                value.add_(torch.randn_like(value))
        network(torch.randn(8, 3))
        average.update_parameters(network)
        share = 1 if count == 0 else 1 - min(0.9, (1 + count) / (10 + count))
        for name, value in network.state_dict().items():
            old = by_hand.get(name, value)
            new = old + share * (value - old) if value.is_floating_point() else value
            by_hand[name] = new.clone()
    assert average.module.training is False
    assert not any(value.requires_grad for value in average.module.parameters())
    for name, value in average.module.state_dict().items():
        torch.testing.assert_close(value, by_hand[name])
    assert int(average.module[1].num_batches_tracked) == 200
