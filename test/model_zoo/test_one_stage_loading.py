"""What a configuration says of a one-stage pose model reaches it, and a detector is none."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from constant_models import constant_model
from pose_families import FAMILIES, on_canvas, people

from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo.manifest import resolve_model
from pose_estimation_ros.model_zoo.pipeline_models import ModelLoaders
from pose_estimation_ros.settings import EngineConfig


def test_classes_reach_the_model_that_finds_people_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    family = FAMILIES["yolov8_pose, several classes"]
    path = constant_model(
        tmp_path / "workers.onnx",
        family.input_shape,
        family.write(on_canvas(people(family.joints), family.anchor)),
        family.dtype,
        family.metadata | {"names": "{0: 'worker', 1: 'dog', 2: 'cat'}"},
    )
    config = EngineConfig(model_path=str(path))
    with pytest.raises(ModelError, match="say which are, with --classes"):
        ModelLoaders(config).pose(path, urgent=True)
    with caplog.at_level(logging.INFO):
        model = ModelLoaders(replace(config, classes="0")).pose(path, urgent=True)
    assert isinstance(model, OneStagePose)
    said = [line for line in caplog.messages if "no positions in metres" in line]
    assert said == ["workers.onnx gives no depths of joints: no positions in metres with it"]
    # They are those of the detector where there is one.
    with pytest.raises(ModelError, match="say which are, with --classes"):
        ModelLoaders(replace(config, classes="0", yolo_model="person_detector")).pose(
            path, urgent=True
        )


def test_a_detector_is_no_pose_model() -> None:
    config = EngineConfig(model_path="person_detector")
    with pytest.raises(ModelError, match=r"person_detector is a detector: .*--yolo-model"):
        ModelLoaders(config).pose(resolve_model("person_detector"), urgent=True)
