"""One word names a detector and a pose model; what is not here is replaced, and said."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from constant_models import constant_model
from fixed_models import fixed_pose_model
from pose_families import FAMILIES, on_canvas, people

from pose_estimation_ros.cli.main import main
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.model_zoo.manifest import packaged_manifest
from pose_estimation_ros.settings import EngineConfig
from pose_estimation_ros.settings.parameters import MODEL_SETS

EMBEDDED = Path(__file__).parents[2] / "models"


def active(config: EngineConfig, **more: bool) -> tuple[str, str]:
    models = build_models(config, **more)
    models.load()
    statuses = models.statuses()
    models.close()
    assert all(status.as_asked for status in statuses.values())
    return statuses["detector"].active, statuses["pose model"].active


@pytest.fixture
def fetched(home: Path) -> Path:
    """A folder of models in which the set "balanced" has been fetched; others in its files."""
    home.mkdir()
    shutil.copy(EMBEDDED / "person_detector.onnx", home / "yolox_tiny.onnx")
    fixed_pose_model(home / "rtmpose_s.onnx")
    return home


def test_the_parameter_offers_the_sets_of_the_manifest() -> None:
    assert tuple(packaged_manifest().sets) == MODEL_SETS
    for name, models in packaged_manifest().sets.items():
        assert sorted(entry.task for entry in models) == ["detector", "pose"]
        assert all(entry.default == (name == "embedded") for entry in models)


def test_a_set_is_used(fetched: Path) -> None:
    assert active(EngineConfig(models="balanced")) == ("yolox_tiny", "rtmpose_s")


def test_a_model_that_is_named_comes_before_the_set(fetched: Path, tmp_path: Path) -> None:
    mine = fixed_pose_model(tmp_path / "mine.onnx")
    config = EngineConfig(models="balanced", model_path=str(mine))
    assert active(config) == ("yolox_tiny", str(mine))


def test_a_set_that_is_not_here_is_replaced_in_one_line(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = EngineConfig(models="accurate", int8=False)
    with caplog.at_level(logging.WARNING):
        assert active(config) == ("person_detector", "convnextpose_xs_coco17")
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "models: yolox_s and rtmpose_m of the set 'accurate' are not on this machine, the "
        "embedded take their place: run: pose_estimation models fetch accurate"
    )


def test_half_a_set_is_used_as_far_as_it_goes(
    fetched: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (fetched / "rtmpose_s.onnx").unlink()
    with caplog.at_level(logging.WARNING):
        config = EngineConfig(models="balanced", int8=False)
        assert active(config) == ("yolox_tiny", "convnextpose_xs_coco17")
    assert "rtmpose_s of the set 'balanced' is not on this machine" in caplog.text


def test_what_is_measured_is_the_set_or_nothing(home: Path) -> None:
    with pytest.raises(ModelError, match="run: pose_estimation models fetch accurate"):
        build_models(EngineConfig(models="accurate"), fall_back=False)


def test_the_detector_of_a_set_counts_only_where_one_is_needed(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    family = FAMILIES["rtmo"]
    outputs = family.write(on_canvas(people(17), family.anchor))
    whole = constant_model(tmp_path / "whole.onnx", family.input_shape, outputs)
    crops = fixed_pose_model(tmp_path / "crops.onnx")
    one_stage, top_down = (
        EngineConfig(models="accurate", model_path=str(file), int8=False)
        for file in (whole, crops)
    )
    with caplog.at_level(logging.WARNING):
        for fall_back in (True, False):
            assert active(one_stage, fall_back=fall_back)[0] == f"{whole} (one stage)"
        home.mkdir()
        shutil.copy(EMBEDDED / "person_detector.onnx", home / "yolox_s.onnx")
        assert active(one_stage)[0] == f"{whole} (one stage)"
        assert not caplog.records
        (home / "yolox_s.onnx").unlink()
        assert active(top_down)[0] == "person_detector"
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("models: yolox_s of the set 'accurate' is not on this machine")
    with pytest.raises(ModelError, match="run: pose_estimation models fetch yolox_s"):
        active(top_down, fall_back=False)


def test_a_set_is_fetched_with_one_word(fetched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fetch", "balanced"]) == 0
    said = capsys.readouterr().out
    assert "yolox_tiny.onnx is there" in said and "rtmpose_s.onnx is there" in said


def test_the_bench_is_remembered_by_the_list(
    fetched: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "bench", "rtmpose_s", "person_detector"]) == 0
    said = capsys.readouterr().out
    assert "rtmpose_s: " in said and " ms for an image of 1280x720 (onnxruntime" in said
    ms = said.split("person_detector: ")[1].split(" ms")[0]
    assert main(["models", "list"]) == 0
    (row,) = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("person_detector (default)")
    ]
    assert ms in row.split()
    assert main(["models", "bench", "yolox_s"]) == 1
    assert "yolox_s: it is not on this machine: run: " in capsys.readouterr().out


def test_what_cannot_be_measured_is_said_with_what_to_do(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = fixed_pose_model(tmp_path / "mine.onnx")
    for words, said in (
        (["runtimes", "rtmpose_s"], "run: pose_estimation models fetch rtmpose_s"),
        (["bench", str(mine)], f"run: pose_estimation models runtimes {mine}"),
    ):
        assert main(["models", *words]) == 1
        assert capsys.readouterr().err.strip().endswith(said)
