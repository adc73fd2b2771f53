"""The optimizer of the pose network."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from training.common.optimizer import Muon, is_matrix, orthogonalise  # noqa: E402


@pytest.mark.parametrize("shape", [(3, 40, 160), (2, 160, 40), (1, 64, 64)])
def test_orthogonalised_matrices_stretch_every_direction_alike(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(shape) * torch.logspace(-3, 2, shape[0])[:, None, None]
    singular = torch.linalg.svdvals(orthogonalise(matrices))
    # Jordan et al. give 0.7 to 1.2 for all but the smallest; bf16 adds a little.
    assert singular.max() < 1.3
    assert (singular > 0.5).float().mean() > 0.95


def test_the_nearest_orthogonal_matrix_keeps_the_directions() -> None:
    torch.manual_seed(0)
    left, _ = torch.linalg.qr(torch.randn(32, 32))
    right, _ = torch.linalg.qr(torch.randn(32, 32))
    matrix = left @ torch.diag(torch.linspace(0.5, 1.0, 32)) @ right
    found = orthogonalise(matrix[None])[0]
    assert torch.nn.functional.cosine_similarity(
        found.flatten(), (left @ right).flatten(), dim=0
    ) > 0.97  # fmt: skip


def test_which_parameters_are_matrices() -> None:
    from pose_estimation_ros.engine.networks.convnextpose import ConvNeXtPose

    network = ConvNeXtPose("XS", 17)
    matrices = {name for name, value in network.named_parameters() if is_matrix(name, value)}
    assert "backbone.stages.2.0.pwconv1.weight" in matrices
    assert "backbone.downsample_layers.1.1.weight" in matrices
    assert "backbone.downsample_layers.0.0.weight" not in matrices  # the stem
    assert "head.final_layer.weight" not in matrices
    assert not any("dwconv" in name or "norm" in name or "bias" in name for name in matrices)


def test_it_learns_what_a_linear_map_and_a_kernel_can() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(16, 16, 3, padding=1, groups=16), torch.nn.Conv2d(16, 24, 1)
    )
    goal = torch.nn.Conv2d(16, 24, 3, padding=1)
    with torch.no_grad():  # a map of the same form
        goal.weight.copy_(torch.randn(24, 16, 1, 1) * torch.randn(1, 16, 3, 3) / 12)
    optim = Muon(network.named_parameters(), rate=2e-3, decay=0.0)
    x = torch.randn(32, 16, 8, 8)
    losses = []
    for step in range(300):
        for group in optim.param_groups:
            group["lr"] = 2e-3 * (1 - step / 300)
        loss = (network(x) - goal(x)).square().mean()
        optim.zero_grad()
        loss.backward()
        optim.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]
    # What is saved goes on where it stopped.
    other = Muon(network.named_parameters(), rate=2e-3, decay=0.0)
    other.load_state_dict(copy.deepcopy(optim.state_dict()))
    before = [value.clone() for value in network.parameters()]
    (network(x) - goal(x)).square().mean().backward()
    optim.step()
    ahead = [value.clone() for value in network.parameters()]
    with torch.no_grad():
        for value, was in zip(network.parameters(), before, strict=True):
            value.copy_(was)
    other.step()
    for value, expected in zip(network.parameters(), ahead, strict=True):
        torch.testing.assert_close(value, expected)
