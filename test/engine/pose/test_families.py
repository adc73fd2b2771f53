"""Of every family of pose models, people come back where the file puts them, to a pixel.

BlazePose's landmarks, whose crops are turned, are in test_blazepose.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from constant_models import constant_model
from paths import ROOT
from pose_families import FAMILIES, IMAGE, Family, Placed, on_canvas, people

from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.geometry import crop_boxes
from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.engine.pose.pose_model import PoseModel, pose_model
from pose_estimation_ros.engine.pose.top_down import TopDownPose
from pose_estimation_ros.engine.runtimes import Runtime, load_runtime
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import DetectorOptions

DOCS = ROOT / "docs" / "models.md"
ONE_STAGE = {name: family for name, family in FAMILIES.items() if family.anchor}
TOP_DOWN = {name: family for name, family in FAMILIES.items() if not family.anchor}
PIXELS = Image(np.full((IMAGE[1], IMAGE[0], 3), 90, np.uint8))


def runtime_of(folder: Path, family: Family, placed: Placed) -> Runtime:
    path = constant_model(
        folder / "model.onnx",
        family.input_shape,
        family.write(placed),
        family.dtype,
        family.metadata,
    )
    return load_runtime(path, "onnxruntime")


def loaded(folder: Path, family: Family, placed: Placed) -> PoseModel:
    return pose_model(runtime_of(folder, family, placed))


@pytest.mark.parametrize("name", ONE_STAGE)
def test_one_stage(tmp_path: Path, name: str) -> None:
    family = FAMILIES[name]
    placed = people(family.joints)
    model = loaded(tmp_path, family, on_canvas(placed, family.anchor))
    assert isinstance(model, OneStagePose)
    assert model.skeleton.name == family.skeleton
    found, joints = model.people(PIXELS, DetectorOptions())
    np.testing.assert_allclose(found.scores, placed.scores, atol=1e-3)
    np.testing.assert_allclose(found.boxes, placed.boxes, atol=1)
    np.testing.assert_allclose(joints.xy, placed.joints[..., :2], atol=1)
    sure = placed.joints[..., 2] if family.scored else np.ones_like(joints.scores)
    np.testing.assert_allclose(joints.scores, sure, atol=1e-3)
    assert np.isnan(joints.z_m).all()


@pytest.mark.parametrize("name", ONE_STAGE)
def test_one_stage_in_boxes_that_somebody_else_found(tmp_path: Path, name: str) -> None:
    family = FAMILIES[name]
    placed = people(family.joints)
    model = loaded(tmp_path, family, on_canvas(placed, family.anchor))
    nobody = np.array([[0, 0, 30, 30]])
    boxes = np.concatenate([placed.boxes[::-1] + 5, nobody]).astype(np.float32)
    joints = model.estimate(PIXELS, boxes)
    np.testing.assert_allclose(joints.xy[:3], placed.joints[::-1, :, :2], atol=1)
    assert (joints.scores[3] == 0).all() and (joints.xy[3] == 15).all()


@pytest.mark.parametrize("name", ONE_STAGE)
def test_one_stage_as_a_detector_gives_its_boxes(tmp_path: Path, name: str) -> None:
    family = FAMILIES[name]
    placed = people(family.joints)
    runtime = runtime_of(tmp_path, family, on_canvas(placed, family.anchor))
    nothing = np.zeros((0, 4), np.float32)
    found = NetworkDetector(runtime).detect(PIXELS, DetectorOptions(), nothing)
    np.testing.assert_allclose(found.boxes, placed.boxes, atol=1)


@pytest.mark.parametrize("name", ONE_STAGE)
def test_classes_that_a_one_stage_model_does_not_have_are_refused(
    tmp_path: Path, name: str
) -> None:
    family = FAMILIES[name]
    runtime = runtime_of(tmp_path, family, on_canvas(people(family.joints), family.anchor))
    with pytest.raises(ModelError, match=r"has (only class 0|classes 0\.\.2), no class 5"):
        NetworkDetector(runtime, classes=(5,))
    with pytest.raises(ModelError, match=r"has (only class 0|classes 0\.\.2), no class 5"):
        pose_model(runtime, classes=(5,))


def test_the_classes_of_a_one_stage_model_are_persons_by_word(tmp_path: Path) -> None:
    family = FAMILIES["yolov8_pose, several classes"]
    metadata = family.metadata | {"names": "{0: 'worker', 1: 'dog', 2: 'cat'}"}
    placed = people(family.joints)
    runtime = runtime_of(
        tmp_path, replace(family, metadata=metadata), on_canvas(placed, family.anchor)
    )
    with pytest.raises(ModelError, match="say which are, with --classes"):
        pose_model(runtime)
    model = pose_model(runtime, classes=(0,))
    assert isinstance(model, OneStagePose)
    assert len(model.people(PIXELS, DetectorOptions()).found) == len(placed.scores)


def test_scores_in_percent_are_refused(tmp_path: Path) -> None:
    family = FAMILIES["rtmo"]
    placed = people(family.joints)
    percent = Placed(placed.boxes, placed.scores * 100, placed.joints)
    runtime = runtime_of(tmp_path, family, on_canvas(percent, family.anchor))
    model = pose_model(runtime)
    assert isinstance(model, OneStagePose)
    with pytest.raises(ModelError, match=r"scores up to .*: expected 0 to 1"):
        model.people(PIXELS, DetectorOptions())
    with pytest.raises(ModelError, match=r"scores up to .*: expected 0 to 1"):
        NetworkDetector(runtime).detect(PIXELS, DetectorOptions(), np.zeros((0, 4), np.float32))


@pytest.mark.parametrize("name", TOP_DOWN)
def test_top_down(tmp_path: Path, name: str) -> None:
    """The crop is the box, made as wide as the input is and 1.25 times larger."""
    family = FAMILIES[name]
    placed = people(family.joints, count=1)
    size = np.array([family.width, family.height])
    (shown,) = crop_boxes(placed.boxes, family.width / family.height, 1.25)
    in_crop = placed.joints.copy()
    in_crop[..., :2] = (in_crop[..., :2] - shown[:2]) / (shown[2:] - shown[:2]) * size
    model = loaded(tmp_path, family, Placed(placed.boxes, placed.scores, in_crop))
    assert isinstance(model, TopDownPose)
    assert model.skeleton.name == family.skeleton
    joints = model.estimate(PIXELS, placed.boxes.astype(np.float32))
    np.testing.assert_allclose(joints.xy, placed.joints[..., :2], atol=1)
    if family.scored:
        np.testing.assert_allclose(joints.scores, placed.joints[..., 2], atol=0.05)
    assert np.isnan(joints.z_m).all() != family.depth
    if family.depth:
        np.testing.assert_allclose(joints.z_m, 0.25, atol=0.01)


def test_the_documentation_has_a_row_for_each_family() -> None:
    text = DOCS.read_text(encoding="utf-8").split("## Pose models that are read")[1]
    rows = [
        line.split("|")[1].strip()
        for line in text.split("\n## ")[0].splitlines()[1:]
        if line.startswith("| ")
    ]
    assert [row for row in rows if row != "name"] == [*FAMILIES, "blazepose"]
    assert len(FAMILIES) >= 16
