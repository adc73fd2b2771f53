"""A narrow head from a wide one."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from pose_estimation_ros.engine.networks.convnextpose import ConvNeXtPose  # noqa: E402
from training.pose.heads import MultiHeadPose  # noqa: E402
from training.pose.narrow import matter_most, narrow  # noqa: E402


def test_the_channels_that_are_read_most_of_what_they_give_are_kept():
    output = torch.tensor([1.0, 4.0, 2.0, 3.0]).view(1, 4, 1, 1)
    assert matter_most(output, torch.tensor([1.0, 1.0, 1.0, 0.1]), 2).tolist() == [1, 2]


def test_a_wide_head_that_needs_half_of_its_channels_is_kept_as_it_is():
    torch.manual_seed(0)
    wide = MultiHeadPose(["fine"], ConvNeXtPose("XS", 17, 8)).eval()
    head = wide.heads["fine"]
    unused = torch.arange(0, 128, 2)
    with torch.no_grad():
        for layer in (head.deconv_layers_3.pwconv, head.final_layer, head.final_layer_z):
            layer.weight[:, unused] = 0
        head.final_layer_z.weight[:, 1::2] = torch.randn(17, 64, 1, 1)
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    result = narrow(wide, images)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted, given = wide(x)["fine"], result(x)["lite"]
    assert result.heads["lite"].skip.out_channels == 64
    torch.testing.assert_close(given.plane, wanted.plane, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(given.z, wanted.z, rtol=1e-3, atol=1e-4)
