"""The sampled gradient of depthwise kernels."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.common import depthwise  # noqa: E402


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_sampled_depthwise_gradient_is_exact_for_the_input_and_whole_batch(kernel, monkeypatch):
    monkeypatch.setattr(depthwise, "SHARE", 1)
    conv = torch.nn.Conv2d(6, 6, kernel, padding=kernel // 2, groups=6)
    x = torch.randn(4, 6, 12, 12, requires_grad=True)
    conv(x).square().sum().backward()
    grads = x.grad.clone(), conv.weight.grad.clone()
    x.grad = conv.weight.grad = None
    assert depthwise.sample_kernel_gradients(torch.nn.Sequential(conv)) == 1
    conv(x).square().sum().backward()
    torch.testing.assert_close(x.grad, grads[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(conv.weight.grad, grads[1], rtol=1e-4, atol=1e-4)
