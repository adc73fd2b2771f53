"""Checkpoints as users have them, with random weights, made once a session."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from paths import ROOT

from pose_estimation_ros.model_zoo import manifest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models of this test's own, so that nothing of the user's is read or written."""
    folder = tmp_path / "home"
    monkeypatch.setenv("POSE_ESTIMATION_MODELS", str(folder))
    manifest.packaged_manifest.cache_clear()
    yield folder
    manifest.packaged_manifest.cache_clear()


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model_opt_XS.pth (21 joints), model_opt_S.pth (18) and yolov8n.pt."""
    torch = pytest.importorskip("torch", reason="the tests of conversions need torch")
    from pose_estimation_ros.engine.networks.convnextpose import ConvNeXtPose

    folder = tmp_path_factory.mktemp("checkpoints")
    for variant, joints in (("XS", 21), ("S", 18)):
        torch.manual_seed(joints)
        network = ConvNeXtPose(variant, joints)
        settle(network, 128)
        with torch.no_grad():  # a head as sharp as a trained one's, so that joints spread
            network.head.final_layer.weight *= 12
        state = {f"module.{name}": value for name, value in network.state_dict().items()}
        torch.save({"epoch": 24, "network": state}, folder / f"model_opt_{variant}.pth")
    make_yolo(folder / "yolov8n.pt")
    return folder


def make_yolo(path: Path) -> None:
    """YOLOv8n from ultralytics' own description, random but sure of some persons."""
    import torch

    from pose_estimation_ros.engine.networks.checkpoints import quiet_ultralytics

    quiet_ultralytics()
    from ultralytics import YOLO

    torch.manual_seed(1)
    model = YOLO("yolov8n.yaml", verbose=False)
    network = model.model
    with torch.no_grad():
        settle(network, 160)
        for boxes, classes in zip(network.model[-1].cv2, network.model[-1].cv3, strict=True):
            boxes[-1].weight *= 3
            classes[-1].weight[0] *= 3
            classes[-1].bias[0] = -1.0
    model.save(path)


def settle(network, side: int) -> None:
    """Gives a random network's batch norms statistics; without, all images look the same to it."""
    import torch

    network.train()
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 0.5
    with torch.no_grad():
        for _ in range(6):
            coarse = torch.rand(2, 3, 12, 12)
            network(torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic"))
    network.eval()


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    """A person, (512, 512, 3) BGR."""
    picture = cv2.imread(str(ROOT / "config" / "demo_scene" / "astronaut.jpg"))
    assert picture is not None
    return picture
