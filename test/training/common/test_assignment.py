"""Overlap of boxes and the assignment of people to cells."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.common.assignment import AssignmentOptions, all_centres, assign, pair_iou  # noqa: E402

CPU = torch.device("cpu")


def test_iou_and_giou_by_hand():
    a, b = torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 0, 3, 2])
    assert float(pair_iou(a, b)) == pytest.approx(1 / 3, abs=1e-5)
    assert float(pair_iou(a, b, generalised=True)) == pytest.approx(1 / 3, abs=1e-5)
    far = torch.tensor([8.0, 0, 10, 2])
    assert float(pair_iou(a, far, generalised=True)) == pytest.approx(-0.6, abs=1e-5)


def test_each_person_takes_cells_inside_its_own_box():
    centres, strides = all_centres(128, 128, CPU)
    truth = torch.tensor([[[8.0, 8, 40, 60], [70, 60, 120, 124], [0, 0, 0, 0]]])
    valid = torch.tensor([[True, True, False]])
    reach = 3 * strides[:, None]
    boxes = torch.cat((centres - reach, centres + reach), dim=1)[None]
    target, owner = assign(
        torch.full(boxes.shape[:2], 0.01),
        boxes,
        truth,
        valid,
        centres,
        strides,
        AssignmentOptions(),
    )
    taken = target[0] > 0
    assert set(owner[0][taken].tolist()) == {0, 1}
    for index in (0, 1):
        mine = taken & (owner[0] == index)
        assert 1 <= int(mine.sum()) <= 9
        x0, y0, x1, y1 = truth[0, index]
        inside = (centres[mine] > torch.stack((x0, y0)) - 4).all(1)
        inside &= (centres[mine] < torch.stack((x1, y1)) + 4).all(1)
        assert bool(inside.all())
