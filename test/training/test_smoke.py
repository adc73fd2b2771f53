"""Both trainings for a few steps on made-up data, their export and the export's contract."""

import json

import numpy as np
import pytest
from paths import ROOT

torch = pytest.importorskip("torch", reason="training needs PyTorch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from pose_estimation_ros.engine.networks.convnextpose import ConvNeXtPose  # noqa: E402
from pose_estimation_ros.settings import PipelineOptions  # noqa: E402
from training import export  # noqa: E402
from training.augmentation.silhouettes import CUTOUTS, OUTLINES  # noqa: E402
from training.common.image_pool import pack  # noqa: E402
from training.common.loop import Trainer  # noqa: E402
from training.detector import train as train_detector  # noqa: E402
from training.detector.network import NECK_WIDTH, PersonDetector  # noqa: E402
from training.distillation.detector import DetectorDistillation  # noqa: E402
from training.pose import train as train_pose  # noqa: E402

pytestmark = pytest.mark.slow
CROPS, SCENES = 48, 80
GROUPED = (2, 0, 0, 78)  # streets and images of COCO
COMMON = ["--device", "cpu", "--workers", "0", "--log-every", "1", "--evaluate-minutes", "0"]


def figure_on_noise(rng, height, width, box):
    """A picture with a bright rectangle where the person is said to be."""
    image = rng.integers(0, 80, (height, width, 3), dtype=np.uint8)
    x0, y0, x1, y1 = (int(v) for v in box)
    image[y0:y1, x0:x1] += 120
    return image


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A cache and labels in the form that the real data has."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("data")
    cache, shared = root / "cache", root / "shared"
    cache.mkdir()
    (shared / "data").mkdir(parents=True)
    box = np.array([[80, 43, 176, 213]], np.float32)
    sure = np.ones(1, np.float32)
    crop = figure_on_noise(rng, 256, 256, box[0])
    np.save(cache / "crops.npy", np.stack([crop] * CROPS))
    silhouette = np.zeros((256, 256, 1), np.uint8)
    silhouette[43:213, 80:176] = 255
    np.save(cache / CUTOUTS, np.stack([np.concatenate((crop, silhouette), axis=2)] * CROPS))
    np.save(cache / OUTLINES, np.tile((80, 43, 176, 213), (CROPS, 1)))
    np.save(cache / "scenes.npy", np.stack([figure_on_noise(rng, 448, 448, box[0])] * SCENES))
    packed = {f"crops_{k}": v for k, v in pack([(box, sure)] * CROPS).items()}
    packed |= {f"scenes_{k}": v for k, v in pack([(box, sure)] * SCENES).items()}
    np.savez(
        cache / "boxes.npz",
        scenes_sizes=np.full((SCENES, 2), 448),
        scenes_groups=GROUPED,
        **packed,
    )
    joints = np.zeros((CROPS, 17, 3), np.float32)
    joints[..., :2] = rng.uniform(60, 190, (CROPS, 17, 2))
    joints[..., 2] = 0.9
    world = np.zeros((CROPS, 17, 5), np.float32)
    world[..., :2] = joints[..., :2]
    world[..., 2:4] = rng.uniform(0.1, 0.4, (CROPS, 17, 2))
    np.savez(
        shared / "data" / "person_crops_labels.npz",
        name=np.array([f"{i:05d}.webp" for i in range(CROPS)]),
        source=np.array(["clothing"] * (CROPS - 2) + ["coco"] * 2),
        teacher=joints,
        ground_truth=np.zeros_like(joints),
        world=world,
        box_size=np.full(CROPS, 170.7, np.float32),
    )
    return ["--cache", str(cache), "--shared", str(shared)]


def losses(out, name):
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row[name] for row in rows if name in row]


def test_detector_learns_resumes_and_exports(data, tmp_path):
    out = tmp_path / "detector"
    argv = [*data, *COMMON, "--out", str(out), "--batch", "4", "--sides", "96", "--lr", "3e-3"]
    train_detector.train(train_detector.read_options([*argv, "--steps", "8"]))
    last = train_detector.train(train_detector.read_options([*argv, "--steps", "10"]))
    assert len(losses(out, "box")) == 10, "the second run goes on where the first stopped"
    assert np.isfinite(losses(out, "score")).all()
    network = PersonDetector()
    network.load_state_dict(export.read_average(last))
    path = tmp_path / "detector.onnx"
    export.export_detector(network, path)
    assert path.stat().st_size < 4e6
    assert sum(p.numel() for p in network.parameters()) <= 1.5e6
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for n, height, width in ((1, 320, 320), (2, 96, 160)):
        image = np.random.default_rng(1).integers(0, 256, (n, height, width, 3), np.uint8)
        boxes, scores = session.run(["boxes", "scores"], {"image": image})
        cells = sum(height // s * (width // s) for s in (8, 16, 32))
        assert boxes.shape == (n, cells, 4)
        assert scores.shape == (n, cells)
        assert ((scores >= 0) & (scores <= 1)).all()
        assert (boxes[..., 2:] >= boxes[..., :2]).all()
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["task"] == "detector"
    assert onnx.load(str(path)).opset_import[0].version == 17


class Blind:
    """A teacher that sees nobody."""

    def __init__(self, folder, device):
        self.device = device

    def __call__(self, images):
        n, side = len(images), images.shape[1]
        maps = [torch.randn(n, 64, side // s, side // s) for s in (8, 16, 32)]
        cells = sum(m.shape[2] ** 2 for m in maps)
        return torch.full((n, cells), 0.01), torch.zeros(n, cells, 4), maps


def test_detector_learns_whole_scenes_from_a_teacher_and_mosaics_from_labels(
    data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(train_detector, "YoloxTeacher", Blind)
    out = tmp_path / "detector"
    argv = [*data, *COMMON, "--out", str(out), "--batch", "4", "--sides", "96", "--distill"]
    for share, by_labels in (("0.5", 2), ("1", 0)):
        (out / "log.jsonl").unlink(missing_ok=True)
        (out / "last.pth").unlink(missing_ok=True)
        words = [*argv, "--scenes", share, "--crop-scenes", "0.5", "--copy-paste", "0.5"]
        words += ["--steps", "2"]
        train_detector.train(train_detector.read_options(words))
        assert len(losses(out, "features")) == 2
        assert len(losses(out, "mosaic_box")) == by_labels
        assert np.isfinite(losses(out, "score")).all()
    with pytest.raises(SystemExit):
        train_detector.read_options([*argv, "--scenes", "0"])
    assert "--distill is for whole scenes" in capsys.readouterr().err


def test_the_adapters_of_a_distillation_are_resumed(data, tmp_path, monkeypatch):
    monkeypatch.setattr(train_detector, "YoloxTeacher", Blind)
    out = tmp_path / "detector"
    argv = [*data, *COMMON, "--out", str(out), "--batch", "2", "--sides", "96", "--distill"]
    options = train_detector.read_options([*argv, "--scenes", "1", "--steps", "2"])
    last = train_detector.train(options)
    saved = torch.load(last, weights_only=True)["extra"]["adapters"]
    adapters = DetectorDistillation(Blind(tmp_path, torch.device("cpu")), NECK_WIDTH).adapters
    weight = adapters.maps[0][1].weight
    assert not torch.equal(weight, saved["maps.0.1.weight"])
    Trainer(PersonDetector(), options, 1, torch.device("cpu")).keep("adapters", adapters)
    assert torch.equal(weight, saved["maps.0.1.weight"])
    assert adapters.norms[2].num_batches_tracked == 2


def test_exported_detector_agrees_with_the_network(tmp_path):
    from training.detector.network import ExportedDetector

    torch.manual_seed(0)
    network = PersonDetector().eval()
    path = tmp_path / "detector.onnx"
    export.export_detector(network, path)
    image = np.random.default_rng(2).integers(0, 256, (1, 128, 128, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    boxes, scores = session.run(["boxes", "scores"], {"image": image})
    with torch.no_grad():
        wanted, wanted_scores = ExportedDetector(network)(torch.from_numpy(image))
    np.testing.assert_allclose(boxes, wanted.numpy(), atol=0.5)
    np.testing.assert_allclose(scores, wanted_scores.numpy(), atol=2e-3)


def test_pose_learns_resumes_and_exports(data, tmp_path):
    out = tmp_path / "pose"
    argv = [*data, *COMMON, "--out", str(out), "--batch", "4", "--side", "64"]
    train_pose.train(train_pose.read_options([*argv, "--steps", "6"]))
    last = train_pose.train(train_pose.read_options([*argv, "--steps", "8"]))
    entropy = losses(out, "entropy")
    assert len(entropy) == 8
    assert np.isfinite(entropy).all()
    from pose_estimation_ros.engine.networks.convnextpose import ExportedPose, load_checkpoint

    network = load_checkpoint(last, 17)
    path = tmp_path / "pose.onnx"
    export.export_pose(network, path, side=64)
    assert path.stat().st_size < 8e6
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    joints, scores = session.run(["joints", "scores"], {"image": image})
    assert joints.shape == (3, 17, 3)
    assert scores.shape == (3, 17)
    with torch.no_grad():
        wanted, _ = ExportedPose(network, 64).eval()(torch.from_numpy(image))
    np.testing.assert_allclose(joints, wanted.numpy(), atol=1e-2)
    assert session.get_modelmeta().custom_metadata_map["task"] == "pose"
    assert PipelineOptions().min_pose_score == export.POSE_THRESHOLD
    export.export_pose(network, path, side=64, threshold=export.POSE_THRESHOLD**0.5)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["scores"], {"image": image})[0], scores**2, atol=1e-3)


def test_a_recipe_is_trained_by_and_stops_where_it_says(data, tmp_path):
    recipe = str(ROOT / "training" / "recipes" / "pose_2_falling_rate.yaml")
    given = tmp_path / "start.pth"
    torch.save({"network": ConvNeXtPose("XS", 17, 8).state_dict()}, given)
    small = ["--batch", "4", "--side", "64", "--stop-step", "2", "--start", str(given)]
    options = train_pose.read_options(
        [recipe, *data, *COMMON, *small, "--out", str(tmp_path / "pose")]
    )
    assert (options.steps, options.ema_decay, options.copy_paste) == (3600, 0.996, True)
    last = train_pose.train(options)
    assert torch.load(last, weights_only=True)["step"] == 2
    assert len(losses(tmp_path / "pose", "entropy")) == 2
