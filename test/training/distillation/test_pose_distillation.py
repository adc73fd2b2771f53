"""Learning PP-TinyPose's heatmaps and features."""

import itertools
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("openvino", reason="the teacher is an OpenVINO file")

from pose_estimation_ros.engine.networks.convnextpose import ConvNeXtPose  # noqa: E402
from training.common.data import decode, read_tar  # noqa: E402
from training.common.device import normalise  # noqa: E402
from training.distillation.ir_graph import IrGraph  # noqa: E402
from training.distillation.pose import (  # noqa: E402
    FLAT_WEIGHT,
    PoseDistillation,
    gaussian_marginals,
    merge_targets,
)
from training.distillation.teachers import TINYPOSE_FILE, TinyPoseTeacher  # noqa: E402
from training.distillation.teachers import TINYPOSE_SIDE as SIDE  # noqa: E402
from training.pose.loss import pose_loss  # noqa: E402
from training.pose.train import read_options  # noqa: E402

CPU = torch.device("cpu")
CELLS = 24


def maps_with(*places, peak=0.8, side=48):
    """Heatmaps (1, k, side, side) of Gaussians of 2 cells around x, y in [0, 1]."""
    rows = torch.arange(side) + 0.5
    maps = [
        peak * torch.exp(-((rows - x * side) ** 2 + (rows[:, None] - y * side) ** 2) / 8)
        for x, y in places
    ]
    return torch.stack(maps)[None]


def labels(*rows):
    """Targets (1, k, 5) of x, y and weight; z in the middle."""
    return torch.tensor([[(x, y, 0.5, weight, 1.0) for x, y, weight in rows]])


def test_where_both_agree_the_mean_is_taught():
    target, (wanted, weight) = merge_targets(
        maps_with((0.5, 0.4)), labels((0.54, 0.4, 0.7)), CELLS
    )
    torch.testing.assert_close(target[0, 0, :4], torch.tensor([0.52, 0.4, 0.5, 0.7]))
    assert wanted.shape == (1, 1, CELLS, CELLS)
    assert wanted.sum() == pytest.approx(1, abs=1e-5)
    assert int(wanted.flatten().argmax()) % CELLS == 12
    assert weight == target[..., 3]


def test_a_joint_that_the_teacher_puts_on_somebody_else_is_taught_by_the_label():
    given = labels((0.2, 0.4, 0.7))
    target, marginals = merge_targets(maps_with((0.8, 0.4)), given, CELLS)
    torch.testing.assert_close(target, given)
    torch.testing.assert_close(marginals.plane, gaussian_marginals(given, CELLS, CELLS))


def test_what_has_no_label_is_taught_by_a_teacher_that_is_sure():
    maps = torch.cat([maps_with((0.3, 0.6), peak=peak) for peak in (0.8, 0.2, 0.1)], 1)
    target, (wanted, weight) = merge_targets(maps, labels(*[(0.0, 0.0, 0.0)] * 3), CELLS)
    sure, unsure, nothing = target[0]
    torch.testing.assert_close(sure[:2], torch.tensor([0.3, 0.6]))
    assert sure[3] == pytest.approx(0.8, abs=0.02), "as much as it is sure"
    assert unsure[3] == nothing[3] == 0
    middles = (torch.arange(CELLS) + 0.5) / CELLS
    x, y = (float(wanted[0, 0].sum(axis) @ middles) for axis in (0, 1))
    assert (x, y) == pytest.approx((0.3, 0.6), abs=1e-3)
    assert weight[0].tolist() == pytest.approx([float(sure[3]), 0, FLAT_WEIGHT])
    assert (wanted[0, 2] == 1 / CELLS**2).all(), "where there is nothing the marginal is flat"
    assert (target[..., 4] == 1).all(), "depth is the labels'"


def test_a_flat_marginal_is_learnt_where_there_is_nothing():
    volume = torch.zeros(1, 17, 2, 4, 4)
    volume[:, :, :, 1, 1] = 5
    volume.requires_grad_()
    nothing = torch.zeros(1, 17, 48, 48)
    known = labels((0.4, 0.4, 1.0), *[(0.4, 0.4, 0.0)] * 16)
    target, marginals = merge_targets(nothing, known, 4)
    loss, parts = pose_loss(volume, target, marginals)
    loss.backward()
    assert volume.grad[0, 1:, :, 1, 1].min() > 0, "the peak is lowered"
    assert volume.grad[0, 1:, :, 0, 0].max() < 0
    assert torch.isfinite(parts["entropy"])


def test_the_teacher_sees_joints_where_they_were_labelled(shared: Path):
    """Whole crops, on which it labelled them once; half a cell of an offset would show."""
    import cv2

    labelled = np.load(shared / "data" / "person_crops_labels.npz")
    files = itertools.islice(read_tar(shared / "data" / "person_crops_b.tar"), 24)
    names, crops = zip(*((name, decode(data)) for name, data in files), strict=True)
    rows = [labelled["name"].tolist().index(f"person_crops_b/{name}") for name in names]
    images = np.stack([cv2.resize(c, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for c in crops])
    maps, features = TinyPoseTeacher(shared / "models", CPU)(torch.from_numpy(images))
    assert maps.shape == (24, 17, 48, 48)
    assert [f.shape[1:] for f in features] == [(40, 24, 24), (80, 12, 12), (320, 6, 6)]
    none = torch.zeros(24, 17, 5)
    target, _ = merge_targets(maps, none, CELLS)
    given = labelled["teacher"][rows]
    sure = (given[..., 2] > 0.7) & (target[..., 3].numpy() > 0.6)
    assert sure.sum() > 150
    away = target[..., :2].numpy() * SIDE - (given[..., :2] + 0.5) * SIDE / 256
    assert np.abs(np.median(away[sure], axis=0)).max() < 1, "of 1.5 that the cells differ by"
    assert np.median(np.linalg.norm(away[sure], axis=1)) < 2.5


def test_both_ways_to_compute_the_teacher_agree(shared: Path):
    images = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    )
    path = shared / "models" / TINYPOSE_FILE
    maps, features = TinyPoseTeacher(shared / "models", CPU, "openvino")(images)
    other_maps, other_features = TinyPoseTeacher(shared / "models", CPU, "torch")(images)
    torch.testing.assert_close(other_maps, maps, atol=1e-4, rtol=1e-3)
    for other, one in zip(other_features, features, strict=True):
        torch.testing.assert_close(other, one, atol=1e-3, rtol=1e-3)
    with pytest.raises(ValueError, match=r"tinypose_256x192\.xml: no tensors \['nose'\]"):
        IrGraph(path, ("nose",), CPU)
    with pytest.raises(
        ValueError, match=r"tinypose_256x192\.xml: operators \['Squeeze', 'TopK'\]"
    ):
        IrGraph(path, ("argmax_0.tmp_0",), CPU)


def test_the_features_are_learnt(shared: Path):
    torch.manual_seed(0)
    images = torch.randint(0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8)
    network = ConvNeXtPose("XS", 17, 8)
    distillation = PoseDistillation(TinyPoseTeacher(shared / "models", CPU), network)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    rows = []
    for _ in range(8):
        volume = network.volume(normalise(images, CPU))
        target, marginals, features = distillation(images, torch.zeros(2, 17, 5))
        loss, _ = pose_loss(volume, target, marginals)
        optimizer.zero_grad()
        (loss + features).backward()
        optimizer.step()
        rows.append(float(features.detach()))
    assert rows[-1] < 0.8 * rows[0]


def test_only_the_teachers_size_is_taken(capsys):
    with pytest.raises(SystemExit):
        read_options(["--distill", "--side", "128"])
    assert "--distill needs --side 192, the teacher's, not 128" in capsys.readouterr().err
