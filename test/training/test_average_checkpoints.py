"""The mean of two checkpoints."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.average_checkpoints import average  # noqa: E402


def test_the_mean_of_two_checkpoints_and_none_of_two_networks(tmp_path):
    paths = [tmp_path / name for name in ("one.pth", "other.pth", "wide.pth", "mean.pth")]
    for path, values in zip(paths, ([0.0, 2.0], [4.0, 2.0], [1.0, 1.0, 1.0]), strict=False):
        state = {"weight": torch.tensor(values), "steps": torch.tensor(3)}
        torch.save({"network": state}, path)
    one, other, wide, mean = paths
    average(one, other, mean, share=0.25)
    found = torch.load(mean, weights_only=True)["network"]
    assert found["weight"].tolist() == [1.0, 2.0]
    assert int(found["steps"]) == 3
    with pytest.raises(ValueError, match=r"one\.pth and .*wide\.pth are not"):
        average(one, wide, mean)
