"""The settings of the heads' training, and a step of it."""

import json

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
torch = pytest.importorskip("torch", reason="training needs PyTorch")

from paths import ROOT  # noqa: E402

from pose_estimation_ros.engine.networks.convnextpose import ConvNeXtPose  # noqa: E402
from training.pose.heads import HEADS, MultiHeadPose  # noqa: E402
from training.pose.train_heads import head_figures, measured_crops, read_options  # noqa: E402


@pytest.mark.parametrize("name", ["heads_1_compare", "heads_2_fine"])
def test_the_recipes_are_read(name):
    options = read_options([str(ROOT / "training" / "recipes" / f"{name}.yaml")])
    assert {head.rstrip("0123456789") for head in options.heads} <= HEADS.keys()
    assert set(options.probes) | set(options.with_coordinates) <= set(options.heads)
    assert options.published


@pytest.mark.parametrize("argv", [[], ["--published", "a.pth", "--heads", "other"]])
def test_what_is_missing_or_unknown_is_named(argv, capsys):
    with pytest.raises(SystemExit):
        read_options(argv)
    error = capsys.readouterr().err
    assert "--published" in error if not argv else "other" in error


def test_every_head_is_measured_on_the_counted_people(tmp_path):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.full((200, 200, 3), 90, np.uint8))
    joints = np.tile((100, 100, 2), 17).tolist()
    row = {"image_id": 1, "category_id": 1, "keypoints": joints, "num_keypoints": 17, "iscrowd": 0}
    large = row | {"id": 1, "bbox": [20, 20, 150, 160], "area": 9000.0}
    small = row | {"id": 2, "bbox": [20, 20, 20, 20], "area": 200.0}
    listing = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [large, small]}
    (tmp_path / "person_keypoints.json").write_text(json.dumps(listing))
    crops, matrices, people = measured_crops(tmp_path, 192)
    assert len(crops) == len(matrices) == len(people) == 1
    network = MultiHeadPose(["volume", "lite"], ConvNeXtPose("XS", 17, 8)).eval()
    figures = head_figures(network, crops, matrices, people)
    assert {name.split("_")[1] for name in figures} == {"volume", "lite"}
    assert all(0 <= value <= 1 for value in figures.values())


def test_the_backbone_does_not_learn_from_a_probe():
    network = MultiHeadPose(["simcc"], ConvNeXtPose("XS", 17, 8), probes=["simcc"]).train()
    found = network(torch.randn(2, 3, 192, 192))["simcc"]
    found.plane[..., 0].sum().backward()
    assert all(p.grad is None for p in network.backbone.parameters())
    assert network.heads["simcc"].final_layer_x.weight.grad is not None
