"""The loss of the pose network."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.pose.loss import order_loss  # noqa: E402


def test_order_in_depth_costs_where_the_farther_joint_is_taken_for_the_nearer():
    left_wrist, right_wrist = 9, 10
    target = torch.full((1, 17, 5), 0.5)
    target[..., 4] = 1
    target[0, left_wrist, 2] = 0.4  # nearer by 20 cm
    z = torch.full((1, 17), 0.5, requires_grad=True)
    order_loss(z, target).backward()
    pulled = torch.zeros(17)
    pulled[left_wrist], pulled[right_wrist] = 1, -1
    assert (z.grad[0].sign() == pulled).all(), "apart, and nobody else: no other pair is clear"
    right, wrong = torch.full((2, 1, 17), 0.5)
    right[0, left_wrist], wrong[0, left_wrist] = 0.4, 0.6
    assert float(order_loss(right, target)) < 0.05 < 3 < float(order_loss(wrong, target))
    target[0, right_wrist, 4] = 0
    assert float(order_loss(wrong, target)) == 0, "one of the two is not labelled"
