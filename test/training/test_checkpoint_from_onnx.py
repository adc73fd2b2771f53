"""An exported network back as one to train."""

import math

import numpy as np
import pytest
from paths import ROOT

torch = pytest.importorskip("torch", reason="training needs PyTorch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from pose_estimation_ros.engine.networks.convnextpose import (  # noqa: E402
    ConvNeXtPose,
    load_checkpoint,
)
from training import checkpoint_from_onnx, export  # noqa: E402
from training.common.device import normalise  # noqa: E402
from training.detector.network import PersonDetector, start_from  # noqa: E402
from training.pose.heads import ExportedHead, MultiHeadPose, place, read_heads  # noqa: E402
from training.pose.train import start_from as start_pose_from  # noqa: E402


def recovered_from(path, batches):
    network = checkpoint_from_onnx.load(path)
    checkpoint_from_onnx.restore_norms(network, batches)
    return network


def trained_a_little(depth_dim):
    torch.manual_seed(3)
    return with_norms(ConvNeXtPose("XS", 17, depth_dim))


def with_norms(network):
    """The network, its norms now with statistics and scales of their own."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize("depth_dim", [8, 32])
def test_the_recovered_network_computes_the_same(tmp_path, depth_dim):
    network = trained_a_little(depth_dim)
    path = tmp_path / "pose.onnx"
    export.export_pose(network, path, side=64)
    batches = [torch.randn(4, 3, 64, 64) for _ in range(2)]
    recovered = recovered_from(path, batches)
    assert recovered.depth_dim == depth_dim
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted, given = network.volume(x), recovered.volume(x)
    # The large weights went through float16.
    assert float((wanted - given).abs().max()) < 0.01 * float(wanted.std())
    for module in recovered.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert bool((module.running_var > 0).all())


@pytest.mark.parametrize("name", ["volume", "subpixel", "fine"])
def test_a_network_with_a_head_of_its_own_comes_back(tmp_path, name):
    torch.manual_seed(3)
    network = with_norms(MultiHeadPose([name], ConvNeXtPose("XS", 17, 8)))
    path = tmp_path / "pose.onnx"
    export.export_pose(network, path, side=64)
    recovered = recovered_from(path, [torch.randn(4, 3, 64, 64)])
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted, given = network(x)[name], recovered(x)[name]
    assert float((wanted.plane - given.plane).abs().max()) < 0.05 * float(wanted.plane.std())
    torch.testing.assert_close(given.z, wanted.z, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("name", ["volume", "subpixel", "fine"])
def test_an_export_gives_what_its_network_does(tmp_path, name):
    torch.manual_seed(3)
    network = with_norms(MultiHeadPose([name], ConvNeXtPose("XS", 17, 8)))
    torch.save({"network": network.state_dict()}, tmp_path / "last.pth")
    path = tmp_path / "pose.onnx"
    export.export_pose(export.read_pose(tmp_path / "last.pth"), path, 64, sharpness=2.0)
    image = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    joints, scores = session.run(None, {"image": image})
    with torch.no_grad():
        found = network(normalise(torch.from_numpy(image), torch.device("cpu")))[name]
    np.testing.assert_allclose(joints[..., :2], place(found, 2.0) * 64 - 0.5, atol=0.3)
    np.testing.assert_allclose(joints[..., 2], found.z * 2 - 1, atol=0.02)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_a_recovered_detector_computes_the_same(tmp_path):
    torch.manual_seed(3)
    network = with_norms(PersonDetector())
    for output in network.outputs:  # equal ones an export would keep once
        torch.nn.init.normal_(output.bias)
    path = tmp_path / "detector.onnx"
    export.export_detector(network, path, side=64)
    x = torch.randn(4, 3, 64, 64)
    recovered = recovered_from(path, [x])
    with torch.no_grad():
        (wanted, boxes), (given, found) = network(x), recovered(x)
    assert float((wanted - given).abs().max()) < 0.01 * float(wanted.std())
    torch.testing.assert_close(boxes, found, rtol=0.01, atol=0.1)
    # It is trained on as it is, not only its first stages.
    start = PersonDetector()
    assert start_from(start, recovered.state_dict()) == len(start.state_dict())


def test_its_norms_have_the_statistics_of_the_crops(tmp_path):
    path = tmp_path / "pose.onnx"
    export.export_pose(trained_a_little(8), path, side=64)
    batch = torch.randn(16, 3, 64, 64)
    network = recovered_from(path, [batch])
    stem, norm = network.backbone.downsample_layers[0]
    with torch.no_grad():
        out = stem(batch)
    torch.testing.assert_close(norm.running_mean, out.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    variance = out.var((0, 2, 3), unbiased=False)
    torch.testing.assert_close(norm.running_var, variance, rtol=1e-3, atol=1e-4)
    # Each kernel learns at the pace of a fresh one.
    spread = stem.weight.square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(spread, torch.full_like(spread, (3 * 48) ** -0.5))


def test_another_model_is_refused(tmp_path):
    x = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1, bias=False))
    path = tmp_path / "other.onnx"
    onnx.save(export.trace(x, torch.zeros(1, 3, 8, 8), ["out"], {}, path), path)
    with pytest.raises(ValueError, match=r"other\.onnx: not an export"):
        checkpoint_from_onnx.load(path)


def test_fewer_cells_of_depth_start_as_the_mean_of_those_they_cover(tmp_path):
    path = tmp_path / "start.pth"
    deep = trained_a_little(32)
    torch.save({"network": deep.state_dict()}, path)
    network = ConvNeXtPose("XS", 17, 8).eval()
    start_pose_from(network, path)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        merged = deep.volume(x).unflatten(2, (8, 4)).mean(3)
        torch.testing.assert_close(network.volume(x), merged, rtol=1e-3, atol=1e-4)
    torch.save({"network": network.state_dict()}, path)
    assert load_checkpoint(path, 17).depth_dim == 8


def test_a_checkpoint_of_the_shipped_model_gives_its_output(tmp_path):
    shipped = ROOT / "models" / "convnextpose_xs_coco17.onnx"
    torch.manual_seed(0)
    network = recovered_from(shipped, [torch.randn(4, 3, 192, 192)])
    start = tmp_path / "start.pth"
    torch.save({"network": network.state_dict()}, start)
    image = np.random.default_rng(0).integers(0, 256, (2, 192, 192, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(shipped), providers=["CPUExecutionProvider"])
    wanted, wanted_scores = session.run(None, {"image": image})
    sharpness = float(session.get_modelmeta().custom_metadata_map["sharpness"])
    power = math.log(export.POSE_THRESHOLD) / math.log(0.085)  # as its card says
    exported = ExportedHead(read_heads(start), 192, sharpness=sharpness, score_power=power)
    with torch.no_grad():
        joints, scores = exported.eval()(torch.from_numpy(image))
    np.testing.assert_allclose(joints.numpy()[..., :2], wanted[..., :2], atol=1e-2)
    np.testing.assert_allclose(joints.numpy()[..., 2], wanted[..., 2], atol=1e-4)
    np.testing.assert_allclose(scores.numpy(), wanted_scores, atol=1e-4)
