"""HOTA, IDF1 and MOTA of sequences whose figures can be told by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from calls import call

from pose_estimation_ros.evaluation.track_metrics import TrackedImage, track_figures

pytest.importorskip("scipy")
A, B = [0.0, 0.0, 10.0, 20.0], [50.0, 0.0, 60.0, 20.0]


def _image(true: dict[int, list[float]], found: dict[int, list[float]]) -> TrackedImage:
    ids_and_boxes = [
        array
        for side in (true, found)
        for array in (np.array(list(side)), np.array([*side.values()]))
    ]
    return TrackedImage(*ids_and_boxes)


def test_the_right_answer_has_all_figures_one() -> None:
    figures = track_figures([_image({1: A, 2: B}, {7: A, 9: B})] * 4)
    assert figures["hota"] == pytest.approx(1) and figures["idf1"] == figures["mota"] == 1
    assert (figures["switches"], figures["persons"], figures["identities"]) == (0, 2, 2)


def test_one_person_who_becomes_somebody_else_half_way() -> None:
    figures = track_figures([_image({1: A}, {7: A})] * 2 + [_image({1: A}, {8: A})] * 2)
    assert figures["switches"] == 1 and figures["mota"] == pytest.approx(1 - 1 / 4)
    assert figures["idf1"] == pytest.approx(0.5)  # 2 of 4 images have the person's one identity
    assert figures["hota"] == pytest.approx(math.sqrt(0.5))  # each track: 2 of 4 + 2 - 2


def test_two_persons_who_swap() -> None:
    swapped = [_image({1: A, 2: B}, {7: A, 8: B})] * 3 + [_image({1: A, 2: B}, {8: A, 7: B})]
    figures = track_figures(swapped)
    assert figures["switches"] == 2 and figures["idf1"] == pytest.approx(6 / 8)
    assert figures["mota"] == pytest.approx(1 - 2 / 8)


def test_missed_and_invented_persons() -> None:
    figures = track_figures([_image({1: A}, {}), _image({1: A}, {3: A}), _image({}, {4: B})])
    assert (figures["missed"], figures["false_positives"]) == (1, 1)
    assert figures["mota"] == 0 and figures["idf1"] == pytest.approx(2 / 4)
    assert math.isnan(track_figures([_image({}, {})])["hota"])


def test_the_bundled_scene_as_a_sequence(tmp_path: Path) -> None:
    from pose_estimation_ros.io.demo_scene import SceneSource

    scene = SceneSource(640, 360, 30.0, 0.2)
    listing: dict[str, list] = {"images": [], "annotations": [], "categories": []}
    for index, pixels in enumerate(scene.frames()):
        cv2.imwrite(str(tmp_path / f"{index}.png"), pixels)
        listing["images"].append(
            {"id": index, "file_name": f"{index}.png", "width": 640, "height": 360}
        )
        for person, (x1, y1, x2, y2) in enumerate(scene.people(index)):
            bbox = [x1, y1, x2 - x1, y2 - y1]
            row = {"id": 10 * index + person, "image_id": index, "category_id": 1, "bbox": bbox}
            listing["annotations"].append(row | {"track_id": person, "keypoints": [0] * 51})
    data = tmp_path / "scene.json"
    data.write_text(json.dumps(listing))
    figures = json.loads(call("evaluate", data, "--sequence", "--json").stdout)
    assert figures["switches"] == 0 and figures["persons"] == 3 and figures["images"] == 6
    assert figures["idf1"] > 0.5
    del listing["annotations"][4]["track_id"]
    data.write_text(json.dumps(listing))
    assert "annotation 4" in call("evaluate", data, "--sequence", code=1).stderr
