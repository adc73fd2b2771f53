"""What tells people from things."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from pose_estimation_ros.engine.networks.convnextpose import ConvNeXtPose  # noqa: E402
from training.pose.heads import ExportedHead, MultiHeadPose, read_heads  # noqa: E402
from training.pose.presence import fit  # noqa: E402


def test_a_line_is_found_whatever_the_scales_and_counts():
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([100.0, 0.01, 1.0])
    people = (torch.randn(2000, 3, generator=generator) + torch.tensor([1.0, 1.0, 0.0])) * scale
    nobody = (torch.randn(200, 3, generator=generator) - torch.tensor([1.0, 1.0, 0.0])) * scale
    weight, bias = fit(people, nobody)
    logits = torch.cat((people, nobody)) @ weight[0] + bias
    assert (logits[:2000] > 0).float().mean() > 0.9 and (logits[2000:] < 0).float().mean() > 0.9
    # The third tells nothing.
    assert (weight[0] * scale)[2].abs() < 0.1 * (weight[0] * scale)[0]


def test_all_scores_are_multiplied_by_the_probability(tmp_path):
    torch.manual_seed(0)
    start = ConvNeXtPose("XS", 17, 8)
    network = MultiHeadPose(["lite"], start, presence=True).eval()
    assert network.presence is not None
    torch.nn.init.zeros_(network.presence.weight)
    without = MultiHeadPose(["lite"], start).eval()
    without.load_state_dict(
        {k: v for k, v in network.state_dict().items() if not k.startswith("presence.")}
    )
    images = torch.randint(0, 256, (2, 192, 192, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected, whole = ExportedHead(without, 192)(images)
        for logit in (-2.0, 0.0, 3.0):
            torch.nn.init.constant_(network.presence.bias, logit)
            joints, scores = ExportedHead(network, 192)(images)
            torch.testing.assert_close(joints, expected)
            torch.testing.assert_close(scores, whole * torch.tensor(logit).sigmoid())
    torch.save({"network": network.state_dict()}, tmp_path / "x.pth")
    assert read_heads(tmp_path / "x.pth").presence is not None
