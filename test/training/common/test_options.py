"""Settings out of recipes and command lines."""

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from paths import ROOT  # noqa: E402

from training.detector.train import read_options as read_detector_options  # noqa: E402
from training.pose.train import read_options as read_pose_options  # noqa: E402
from training.pose.train_heads import read_options as read_heads_options  # noqa: E402

RECIPES = sorted((ROOT / "training" / "recipes").glob("*.yaml"))


def read(path, *words):
    parse = read_pose_options
    if "detector" in path.name:
        parse = read_detector_options
    elif path.name.startswith("heads"):
        parse = read_heads_options
    return parse([str(path), *words])


@pytest.fixture
def recipe(tmp_path):
    def write(text):
        path = tmp_path / "pose.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_project_can_be_read(path):
    options = read(path)
    assert options.steps or options.minutes
    assert options.epochs is None
    assert options.device == "cuda" or not path.name.startswith("gpu")


def test_the_command_line_wins_over_the_recipe_over_the_defaults(recipe):
    path = recipe("steps: 8\nlr: 1e-3\ncopy_paste: true\nout: ../there\n")
    options = read(path, "--steps", "3", "--no-copy-paste")
    assert (options.steps, options.lr, options.copy_paste, options.hold) == (3, 1e-3, False, 0.0)
    assert options.out.name == "there"
    assert read(path).copy_paste is True
    assert read_pose_options([]).epochs == 100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sped: 3", r"unknown settings ['sped'], known are"),
        ("steps: many", "argument --steps: invalid int value: 'many'"),
        ("steps: [3, 4]", "a list where one value is expected: 4"),
        ("distill: 1", "argument --distill/--no-distill: ignored explicit argument '1'"),
        ("steps: true", "argument --steps: expected one argument"),
        ("- steps", "a recipe is lines of 'name: value'"),
        ("steps: [", "not a recipe that can be read"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said(recipe, text, words, capsys):
    path = recipe(text)
    with pytest.raises(SystemExit):
        read(path)
    assert f"{path}: error: {words}" in capsys.readouterr().err


def test_a_list_stays_a_list(tmp_path):
    path = tmp_path / "detector.yaml"
    path.write_text("sides: [96, 128]\nscenes: 1\n")
    options = read(path)
    assert options.sides == [96, 128]
    assert options.scenes == 1.0
    path.write_text("sides: 96\n")
    assert read(path).sides == [96]
    assert read(path, "--sides", "64", "32").sides == [64, 32]


def test_a_recipe_that_is_not_there_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        read(tmp_path / "none.yaml")
    assert "none.yaml: error: not a recipe that can be read" in capsys.readouterr().err
