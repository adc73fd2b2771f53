"""`pose_estimation compare`: honest figures, a page that asks nobody, and fitting advice."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from calls import call
from recordings import IMAGE, write_bag

from pose_estimation_ros.cli.main import main

FRAMES = 10


_compare = partial(call, "compare")


@pytest.fixture(scope="module")
def frames() -> list:
    from pose_estimation_ros.io.demo_scene import SceneSource

    return list(SceneSource(width=480, height=270, seconds=FRAMES / 30).frames())


@pytest.fixture(scope="module")
def folder(frames: list, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images")
    for index, pixels in enumerate(frames):
        cv2.imwrite(str(path / f"{index}.png"), pixels)
    return path


@pytest.fixture(scope="module")
def report(frames: list, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on a bag."""
    folder = tmp_path_factory.mktemp("compare")
    bag = write_bag(folder / "bag", {"/image": IMAGE}, frames)
    needs = ("--max-persons", 3, "--latency-ms", 1e6, "--memory-mb", 1e6)
    run = _compare(bag, "--out", folder / "out", *needs)
    assert "recommendation for 3 persons" in run.stdout and "Surveillance" in run.stdout
    return folder / "out"


def test_the_figures(report: Path) -> None:
    data = json.loads((report / "report.json").read_text())
    assert set(data["pipelines"]) == {"v3", "v4", "hybrid"}
    for name, figures in data["pipelines"].items():
        assert figures["frames"] == FRAMES
        latency = figures["latency_ms"]
        assert 0 < latency["p50"] <= latency["p95"] <= latency["max"]
        assert figures["fps"] == pytest.approx(1000 / latency["mean"])
        assert figures["memory_mb"] > 50 and figures["cores_used"] > 0
        assert figures["identities_kept"] == 1.0
        assert figures["poses_per_frame"] == 1 if name == "v3" else figures["most_poses"] >= 3
    assert data["recommendation"]["met"]
    assert data["recommendation"]["pipeline"] in ("v4", "hybrid")  # three persons
    assert len(data["decision_matrix"]) == 6


def test_the_page_asks_nobody_and_is_well_formed(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert not re.search(r"https?:|<script|@import|<link", page)
    assert all(s.startswith("data:image/jpeg;base64,") for s in re.findall(r'src="([^"]*)"', page))
    assert page.index("Recommendation</h2>") > page.index("Which one to take</h2>")
    drawings = re.findall(r"<svg.*?</svg>", page)
    assert len(drawings) == 6
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert "nan" not in drawing and "inf" not in drawing


def test_a_damaged_bag_is_compared_up_to_the_damage_and_that_is_said(
    frames: list, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "bag", {"/image": IMAGE}, frames)
    file = next(bag.glob("*.mcap"))
    os.truncate(file, int(file.stat().st_size * 0.8))
    run = _compare(bag, "--out", tmp_path / "out", "--pipelines", "v3")
    assert f"bag '{bag}': {file.name} is damaged" in run.stderr
    assert "what comes before" in run.stderr
    data = json.loads((tmp_path / "out" / "report.json").read_text())
    assert 5 <= data["pipelines"]["v3"]["frames"] < FRAMES
    assert "The bag is damaged" in (tmp_path / "out" / "report.html").read_text()


def test_labels_give_accuracy(folder: Path, tmp_path: Path) -> None:
    """The labels are v4's own answers, so v4 must be right, and v3 about one person of three."""
    results = tmp_path / "results.json"
    with contextlib.redirect_stdout(io.StringIO()):
        arguments = ["--coco", str(results), "--sequence", "--runtime", "onnxruntime"]
        assert main(["video", str(folder), *arguments]) == 0
    rows = json.loads(results.read_text())
    labels = {
        "images": [{"id": 50 + n, "file_name": f"{n}.png"} for n in range(FRAMES)],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {
                **{"id": index + 1, "image_id": 50 + row["image_id"], "category_id": 1},
                **{"bbox": row["bbox"], "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0},
                "keypoints": np.column_stack(
                    [np.reshape(row["keypoints"], (17, 3))[:, :2], np.full(17, 2)]
                )
                .ravel()
                .tolist(),
                "num_keypoints": 17,
            }
            for index, row in enumerate(rows)
        ],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    arguments = ("--labels", tmp_path / "labels.json", "--out", tmp_path / "out", "--json")
    run = _compare(folder, *arguments, "--pipelines", "v3,v4")
    pipelines = json.loads(run.stdout)["pipelines"]
    v3, v4 = (pipelines[name]["accuracy"]["pose"] for name in ("v3", "v4"))
    assert v4["mean_oks"] > 0.99 and v4["found"] == v4["people"]
    assert v3["found"] <= v4["found"] / 2
    # Joints that are not published have no place that could be right.
    run = _compare(folder, *arguments, "--pipelines", "v4", "--skeleton", "mpii16", code=1)
    assert "mpii16, and the data holds coco17 joints, of which it has no nose" in run.stderr


def test_bad_input_is_named_in_one_line(folder: Path, frames: list, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("I am not a video\n" * 50)
    (tmp_path / "empty").mkdir()
    labels = tmp_path / "labels.json"
    labels.write_text('{"images": [{"id": 7, "file_name": "x.png"}], "annotations": []}')
    short = tmp_path / "short"
    short.mkdir()
    cv2.imwrite(str(short / "1.png"), frames[0])
    silent = write_bag(tmp_path / "silent", {}, frames[:1], info="/camera_info")
    for arguments, words in (
        ((text,), ["text.mp4", "cannot be read"]),
        ((tmp_path / "empty",), ["empty", "no image"]),
        ((silent,), ["silent", "no images"]),
        ((short, "--pipelines", "v3"), ["1 usable frames"]),
        ((folder, "--pipelines", "v9"), ["v9", "v3, v4, hybrid"]),
        ((folder, "--pipelines", ","), ["--pipelines"]),
        ((folder, "--topic", "/image"), ["--topic", "not a bag"]),
        ((folder, "--latency-ms", -1), ["--latency-ms"]),
        ((folder, "--out", text / "x"), ["text.mp4"]),
        ((folder, "--yolo-model", "/no/yolo.onnx"), ["--yolo-model", "/no/yolo.onnx"]),
        ((folder, "--pipelines", "v3", "--labels", labels), ["--labels", "frame"]),
        (("0",), ["camera", "record"]),
    ):
        common = () if "--out" in arguments else ("--out", tmp_path / "out")
        lines = _compare(*arguments, *common, code=1).stderr.splitlines()
        said = [line for line in lines if "error: " in line]
        assert len(said) == 1 and all(word in said[0] for word in words), lines
