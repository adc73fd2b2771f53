"""The ConvNeXtPose network: sizes, names, checkpoints and decoding."""

import importlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs PyTorch")
convnext = importlib.import_module("pose_estimation_ros.engine.networks.convnextpose")


@pytest.mark.parametrize(
    ("variant", "millions"), [("XS", 3.53), ("S", 7.44), ("M", 7.59), ("L", 8.38)]
)
def test_parameter_count_is_the_published_one(variant, millions):
    network = convnext.ConvNeXtPose(variant, joints=18)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


def test_unknown_variant_is_named():
    with pytest.raises(ValueError, match="XXL"):
        convnext.ConvNeXtPose("XXL")


@pytest.mark.parametrize(
    ("variant", "joints", "depth_dim", "cells"),
    [("XS", 17, 32, 8), ("XS", 21, 16, 8), ("S", 18, 32, 8), ("M", 18, 64, 16), ("L", 5, 32, 16)],
)
def test_output_has_every_joint_inside_the_volume(variant, joints, depth_dim, cells):
    network = convnext.ConvNeXtPose(variant, joints, depth_dim).eval()
    with torch.no_grad():
        where, scores = network(torch.randn(2, 3, 64, 64), with_scores=True)
        assert network.volume(torch.randn(1, 3, 64, 64)).shape[-1] == cells
    assert where.shape == (2, joints, 3)
    assert scores.shape == (2, joints)
    assert bool(((where >= 0) & (where <= torch.tensor([cells, cells, depth_dim]))).all())
    assert bool(((scores >= 0) & (scores <= 1)).all())


def test_soft_argmax_of_a_sharp_peak_is_the_peak():
    volume = torch.zeros(1, 1, 8, 6, 5)
    volume[0, 0, 7, 2, 4] = 50.0
    cells, plane = convnext.soft_argmax(volume)
    np.testing.assert_allclose(cells[0, 0].numpy(), (4, 2, 7), atol=1e-4)
    assert float(plane.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(convnext.peak_score(plane)) == pytest.approx(1.0, abs=1e-4)


def test_soft_argmax_is_the_mean_of_the_softmax_volume():
    volume = torch.randn(2, 3, 4, 5, 6) * 3
    p = volume.flatten(2).softmax(-1).view_as(volume).numpy()
    zs, ys, xs = np.mgrid[:4, :5, :6]
    expected = np.stack([(p * axis).sum((2, 3, 4)) for axis in (xs, ys, zs)], axis=-1)
    np.testing.assert_allclose(convnext.soft_argmax(volume)[0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "joints", "depth_dim"),
    [("XS", 17, 32), ("XS", 18, 32), ("S", 18, 32), ("M", 18, 64), ("L", 18, 64), ("M", 21, 64)],
)
def test_checkpoint_with_prefix_is_recognised_and_gives_the_same_output(
    tmp_path, variant, joints, depth_dim
):
    torch.manual_seed(0)
    network = convnext.ConvNeXtPose(variant, joints).eval()
    path = tmp_path / "snapshot.pth"
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"epoch": 3, "network": state}, path)
    loaded = convnext.load_checkpoint(path)
    assert (loaded.joints, loaded.depth_dim) == (joints, depth_dim)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(loaded(x), network(x), atol=1e-5, rtol=0)


def test_known_joints_settle_an_unusual_depth(tmp_path):
    network = convnext.ConvNeXtPose("L", 18, depth_dim=32)
    path = tmp_path / "l32.pth"
    torch.save({"network": network.state_dict()}, path)
    assert convnext.load_checkpoint(path, joints=18).depth_dim == 32
    with pytest.raises(ValueError, match="joints"):
        convnext.load_checkpoint(path, joints=17)


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        convnext.load_checkpoint(tmp_path / "none.pth")
    text = tmp_path / "text.pth"
    text.write_text("not a checkpoint")
    with pytest.raises(ValueError, match=r"text\.pth"):
        convnext.load_checkpoint(text)
    other = tmp_path / "other.pth"
    torch.save({"network": {"weight": torch.zeros(3)}}, other)
    with pytest.raises(ValueError, match="not a ConvNeXtPose"):
        convnext.load_checkpoint(other)


def test_a_weight_that_is_missing_is_named(tmp_path):
    state = convnext.ConvNeXtPose("XS", 17).state_dict()
    del state["backbone.norm.bias"]
    path = tmp_path / "cut.pth"
    torch.save({"network": state}, path)
    with pytest.raises(ValueError, match=r"backbone\.norm\.bias"):
        convnext.load_checkpoint(path)


class Malicious:
    """Would create a file when unpickled by an unrestricted loader."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path):
    path, mark = tmp_path / "bad.pth", tmp_path / "ran"
    torch.save({"network": Malicious(mark)}, path)
    with pytest.raises(ValueError, match="not a safe"):
        convnext.load_checkpoint(path)
    assert not mark.exists()


def test_export_form_maps_cells_to_crop_pixels_and_metres():
    network = convnext.ConvNeXtPose("XS", 17).eval()
    exported = convnext.ExportedPose(network, 64).eval()
    image = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        joints, scores = exported(image)
        mean = torch.tensor(convnext.IMAGENET_MEAN).view(1, 3, 1, 1)
        std = torch.tensor(convnext.IMAGENET_STD).view(1, 3, 1, 1)
        x = (image.permute(0, 3, 1, 2) / 255 - mean) / std
        cells, wanted = network(x, with_scores=True)
    xy, z = (cells[..., :2] + 0.5) * 8 - 0.5, (cells[..., 2] + 0.5) / 16 - 1
    torch.testing.assert_close(joints[..., :2], xy, atol=1e-3, rtol=0)
    torch.testing.assert_close(joints[..., 2], z, atol=1e-4, rtol=0)
    torch.testing.assert_close(scores, wanted, atol=1e-4, rtol=0)


def test_sharpness_moves_the_mean_to_the_highest_mode_and_leaves_depth(monkeypatch):
    network = convnext.ConvNeXtPose("XS", 2, depth_dim=4).eval()
    volume = torch.full((1, 2, 4, 8, 8), -20.0)
    volume[..., 2, 2, 1] = 2.0
    volume[..., 2, 2, 6] = 1.0
    monkeypatch.setattr(convnext.ConvNeXtPose, "volume", lambda *_: volume)
    image = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    plain, _ = convnext.ExportedPose(network, 64)(image)
    sharp, _ = convnext.ExportedPose(network, 64, sharpness=4.0)(image)
    mode = (1 + 0.5) * 8 - 0.5
    assert float(plain[0, 0, 0]) > mode + 8
    assert float(sharp[0, 0, 0]) == pytest.approx(mode, abs=1)
    torch.testing.assert_close(plain[..., 2], sharp[..., 2])


def test_scores_are_raised_to_the_power_asked_for():
    network = convnext.ConvNeXtPose("XS", 2, depth_dim=4).eval()
    image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        joints, plain = convnext.ExportedPose(network, 64)(image)
        same, raised = convnext.ExportedPose(network, 64, score_power=2.0)(image)
    torch.testing.assert_close(raised, plain**2)
    torch.testing.assert_close(same, joints)
