"""`pose_estimation evaluate`: the numbers of pycocotools, and the project's own by hand."""

from __future__ import annotations

import contextlib
import io
import json
import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from calls import call

JOINTS = 17
SIZE = (400, 640)


_evaluate = partial(call, "evaluate")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images with two persons each, some joints unannotated; the pictures are blank."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(3)
    listing: dict = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "person", "keypoints": ["?"] * JOINTS, "skeleton": []}],
    }
    for image in range(4):
        name = f"{image}.png"
        cv2.imwrite(str(folder / name), np.full((*SIZE, 3), 90, np.uint8))
        size = {"height": SIZE[0], "width": SIZE[1]}
        listing["images"].append({"id": image + 1, "file_name": name, **size})
        for person in range(2):
            corner = np.array([40 + 300 * person, 60])
            extent = rng.uniform([100, 180], [200, 300])
            xy = corner + rng.uniform(0.1, 0.9, (JOINTS, 2)) * extent
            flags = np.where(rng.random(JOINTS) < 0.8, 2, 0)
            listing["annotations"].append(
                {
                    "id": 10 * image + person + 1,
                    "image_id": image + 1,
                    "category_id": 1,
                    "bbox": [*corner.tolist(), *extent.tolist()],
                    "area": float(extent.prod() * 0.5),
                    "iscrowd": 0,
                    "keypoints": np.column_stack([xy, flags]).ravel().tolist(),
                    "num_keypoints": int((flags > 0).sum()),
                }
            )
    path = folder / "people.json"
    path.write_text(json.dumps(listing))
    return path


def _results(data: Path, shift_px: float) -> list[dict]:
    """The annotations as predictions, moved to the right."""
    rows = []
    for row in json.loads(data.read_text())["annotations"]:
        joints = np.array(row["keypoints"]).reshape(-1, 3) + np.array([shift_px, 0, 0])
        score = 0.5 + row["id"] / 100
        keypoints = joints.ravel().tolist()
        rows.append(
            {"image_id": row["image_id"], "category_id": 1, "keypoints": keypoints, "score": score}
            | {"bbox": row["bbox"]}
        )
    return rows


def _pycocotools(data: Path, results: list[dict]) -> dict[str, float]:
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(data))
        truth.dataset.setdefault("info", {})
        evaluation = COCOeval(truth, truth.loadRes(results), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(("AP", "AP50", "AP75", "AR"), evaluation.stats[[0, 1, 2, 5]], strict=True))


@pytest.mark.parametrize("shift_px", [0.0, 4.0, 9.0, 25.0])
def test_results_get_the_numbers_of_pycocotools(
    shift_px: float, data: Path, tmp_path: Path
) -> None:
    results = _results(data, shift_px)
    (tmp_path / "results.json").write_text(json.dumps(results))
    run = _evaluate(data, "--results", tmp_path / "results.json", "--json")
    figures = json.loads(run.stdout)
    expected = _pycocotools(data, results)
    # The results are rounded to a thousandth of a pixel.
    assert figures["coco"] == pytest.approx(expected, abs=1e-3)
    assert expected["AP"] == pytest.approx(1.0) if shift_px == 0 else expected["AP"] < 1.0
    people = json.loads(data.read_text())["annotations"]
    errors = np.array([shift_px / max(row["bbox"][2:]) for row in people])
    seen = np.array([row["num_keypoints"] for row in people])
    pose = figures["pose"]
    assert pose["found"] == pose["people"] == 8
    assert pose["pck@0.05"] == pytest.approx(((errors <= 0.05) * seen).sum() / seen.sum())
    assert pose["mean_oks"] == pytest.approx(1.0) if shift_px == 0 else pose["mean_oks"] < 0.99
    assert figures["detection"]["recall"] == figures["detection"]["precision"] == 1.0
    assert set(pose["joints"]["left_wrist"]) == {"annotated", "oks", "pck@0.1"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_id": [1]}, r"image_id is \[1\]"),
        ({"bbox": [1, 2, 3]}, "bbox has not 4 numbers"),
        ({"keypoints": [1] * 78}, "keypoints has 78 numbers"),
        ({"score": None}, "NoneType"),
        ({"score": 10**400}, "too large"),
    ],
)
def test_results_that_are_none_are_named(
    change: dict, words: str, data: Path, tmp_path: Path
) -> None:
    rows = _results(data, 0.0)
    rows[1].update(change)
    (tmp_path / "results.json").write_text(json.dumps(rows))
    run = _evaluate(data, "--results", tmp_path / "results.json", code=1)
    assert re.search(f"entry 1 of '.*' is not a COCO keypoint result .*{words}", run.stderr)


def test_results_without_boxes(data: Path, tmp_path: Path) -> None:
    rows = [{**row, "bbox": None} for row in _results(data, 0.0)]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    run = _evaluate(data, "--results", tmp_path / "results.json", "--json")
    assert json.loads(run.stdout)["pose"]["people"] == 8


def test_no_predictions_are_worth_nothing(data: Path, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("[]")
    run = _evaluate(data, "--results", tmp_path / "none.json", "--json")
    figures = json.loads(run.stdout)
    assert set(figures["coco"].values()) == {0.0}
    assert (figures["pose"]["mean_oks"], figures["pose"]["found"]) == (0.0, 0)
    assert figures["pose"]["pck@0.2"] == figures["detection"]["recall"] == 0.0


def test_ghosts_are_counted(data: Path, tmp_path: Path) -> None:
    ghosts = _results(data, 0.0)
    for row in _results(data, 0.0)[:2]:
        ghosts.append({**row, "bbox": [0, 0, 20, 20], "score": 0.9})
    (tmp_path / "ghosts.json").write_text(json.dumps(ghosts))
    figures = json.loads(_evaluate(data, "--results", tmp_path / "ghosts.json", "--json").stdout)
    assert figures["detection"]["false_per_image"] == 0.5
    assert figures["detection"]["precision"] == pytest.approx(0.8)
    assert figures["detection"]["recall"] == 1.0
    assert figures["persons"] == {"recall": 1.0, "false_per_image": 0.5}


def test_results_of_other_categories_are_nobody(data: Path, tmp_path: Path) -> None:
    listing = json.loads(data.read_text())
    listing["categories"] = [{"id": 3, "name": "dog"}, {"id": 5, "name": "person"}]
    listing["annotations"] = [{**row, "category_id": 5} for row in listing["annotations"]]
    people = data.parent / "five.json"
    people.write_text(json.dumps(listing))
    persons = [{**row, "category_id": 5} for row in _results(data, 4.0)]
    dogs = [{**row, "category_id": 3, "score": 1.0} for row in _results(data, 40.0)]
    file, saved = tmp_path / "results.json", tmp_path / "saved.json"
    file.write_text(json.dumps(dogs + persons))
    run = _evaluate(people, "--results", file, "--json", "--save-results", saved)
    figures = json.loads(run.stdout)
    assert figures["detection"]["false_per_image"] == 0
    # What is saved is of persons by the file's own number: pycocotools takes it as it is.
    expected = _pycocotools(people, json.loads(saved.read_text()))
    assert figures["coco"] == pytest.approx(expected, abs=1e-3)
    assert expected["AP"] > 0.5
    file.write_text(json.dumps(dogs))
    run = _evaluate(people, "--results", file, code=1)
    assert "these have category_id 5, and entry 0 has 3" in run.stderr


def test_persons_of_a_low_score_are_not_published(shared: Path) -> None:
    folder = shared / "data" / "coco_dev"
    words = (folder / "person_keypoints_dev.json", "--images", folder / "images", "--limit", 6)
    every = json.loads(_evaluate(*words, "--min-pose-score", 0, "--json").stdout)
    none = json.loads(_evaluate(*words, "--min-pose-score", 1, "--json").stdout)
    assert every["persons"]["recall"] > 0
    assert none["persons"] == {"recall": 0.0, "false_per_image": 0.0}
    assert none["detection"] == every["detection"]
    run = _evaluate(*words, "--min-pose-score", 2, code=1)
    assert "--min-pose-score: 2 is not from 0 to 1" in run.stderr


@pytest.mark.parametrize("pipeline", ["v3", "v4", "hybrid"])
def test_models_are_run(pipeline: str, data: Path, tmp_path: Path) -> None:
    arguments = ("--pipeline", pipeline, "--limit", 2, "--save-results", tmp_path / "r.json")
    text = _evaluate(data, *arguments).stdout
    assert f"pipeline: {pipeline}" in text and "2 images, 4 persons" in text
    assert "COCO keypoint AP" in text and "right_ankle" in text
    assert isinstance(json.loads((tmp_path / "r.json").read_text()), list)


def test_a_model_is_measured_in_its_own_joints(shared: Path) -> None:
    folder = shared / "data" / "coco_dev"
    words = (folder / "person_keypoints_dev.json", "--images", folder / "images", "--limit", 4)
    own, other = (
        json.loads(_evaluate(*words, "--skeleton", name, "--json").stdout)
        for name in ("auto", "mpii16")
    )
    assert own == other and own["pose"]["mean_oks"] > 0


def test_annotated_boxes_and_pictures(data: Path, tmp_path: Path) -> None:
    picture = tmp_path / "cases.png"
    run = _evaluate(data, "--boxes", "ground-truth", "--pictures", picture, "--json")
    figures = json.loads(run.stdout)
    assert figures["detection"] is None and figures["pose"]["found"] == 8
    assert cv2.imread(str(picture)).shape[1] > 1000


def test_the_development_set(shared: Path) -> None:
    folder = shared / "data" / "coco_dev"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: it holds annotated images")
    file = folder / "person_keypoints_dev.json"
    arguments = ("--images", folder / "images", "--boxes", "ground-truth", "--json")
    figures = json.loads(_evaluate(file, *arguments).stdout)
    assert figures["pose"]["people"] == 113
    # That the plumbing is right: a skeleton in the middle of every box gets about 0.1.
    assert figures["pose"]["mean_oks"] > 0.3


def test_bad_input_is_named_in_one_line(data: Path, tmp_path: Path) -> None:
    text, other, strange = (tmp_path / name for name in ("text.json", "list.json", "odd.json"))
    text.write_text("I am not JSON")
    other.write_text("[]")
    strange.write_text('{"images": [{"id": 1, "file_name": "1.png"}], "annotations": [{"id": 3}]}')
    nobody = tmp_path / "nobody.json"
    nobody.write_text('{"images": [], "annotations": []}')
    unknown = tmp_path / "unknown.json"
    unknown.write_text(json.dumps([{**_results(data, 0)[0], "image_id": 99}]))
    for arguments, words in (
        ((tmp_path / "none.json",), ["none.json", "No such file"]),
        ((text,), ["text.json", "not a JSON file"]),
        ((other,), ["list.json", "COCO annotations"]),
        ((strange,), ["odd.json", "bbox and keypoints"]),
        ((nobody,), ["nobody.json", "no images"]),
        ((data, "--images", tmp_path), ["0.png", "--images"]),
        ((data, "--results", text), ["text.json", "not a JSON file"]),
        ((data, "--results", strange), ["odd.json", "list of COCO results"]),
        ((data, "--results", unknown), ["unknown.json", "image 99"]),
        ((data, "--model-path", "/no/pose.onnx"), ["--model-path", "/no/pose.onnx"]),
        ((data, "--limit", 1, "--pictures", text / "x.png"), ["x.png"]),
    ):
        lines = _evaluate(*arguments, code=1).stderr.splitlines()
        said = [line for line in lines if "error: " in line]
        assert len(said) == 1 and all(word in said[0] for word in words), lines
