"""Faster training of depthwise convolutions on the CPU.

The gradient of a depthwise kernel costs ten times its forward pass there, and a third of a
training step. Each of its few weights is summed over every position of every picture, so
a random quarter of the batch estimates it well; the gradient of the input stays exact.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SHARE = 4  # one picture of this many is used for the kernel's gradient


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        pad = weight.shape[-1] // 2
        return functional.conv2d(x, weight, bias, padding=pad, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        grad = grads[0]
        pad, groups, batch = weight.shape[-1] // 2, x.shape[1], x.shape[0]
        grad_x = functional.conv2d(grad, weight.flip(2, 3), padding=pad, groups=groups)
        count = max(1, batch // SHARE)
        start = int(torch.randint(0, batch - count + 1, ()))
        part = slice(start, start + count)
        grad_weight = torch.ops.aten.convolution_backward(
            grad[part].float(), x[part].float(), weight.float(), None, [1, 1], [pad, pad],
            [1, 1], False, [0, 0], groups, [False, True, False],
        )[1]  # fmt: skip
        return grad_x, grad_weight * (batch / count), None


class _Forward:
    """Replaces the ``forward`` of one convolution."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self.conv = conv

    def __call__(self, x: Tensor) -> Tensor:
        conv = self.conv
        if not torch.is_grad_enabled():
            return conv._conv_forward(x, conv.weight, conv.bias)
        kind = torch.bfloat16 if torch.is_autocast_enabled(x.device.type) else x.dtype
        bias = None if conv.bias is None else conv.bias.detach().to(kind)
        out: Tensor = _Depthwise.apply(x.to(kind), conv.weight.to(kind), bias)
        return out


def sample_kernel_gradients(network: nn.Module) -> int:
    """Let the depthwise kernels of ``network`` be trained so; the number of them.

    Their biases are no longer trained: a BatchNorm follows each, which cancels them.
    """
    count = 0
    for module in network.modules():
        if (
            isinstance(module, nn.Conv2d)
            and module.groups == module.in_channels == module.out_channels > 1
            and module.stride == (1, 1)
        ):
            module.forward = _Forward(module)  # type: ignore[method-assign, assignment]
            count += 1
    return count
