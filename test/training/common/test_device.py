"""What depends on the device."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.common.device import autocast  # noqa: E402
from training.common.optimizer import orthogonalise  # noqa: E402

CPU = torch.device("cpu")


@pytest.mark.parametrize("able", [True, False])
def test_bf16_is_used_only_where_the_processor_has_it(able, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    with autocast(CPU):
        assert torch.is_autocast_enabled("cpu") is able
    matrices = torch.randn(2, 24, 16)
    singular = torch.linalg.svdvals(orthogonalise(matrices))
    assert ((singular > 0.6) & (singular < 1.3)).all()
