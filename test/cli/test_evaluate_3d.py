"""3D accuracy: the measures by hand, and the embedded model on a made-up set."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from calls import call

from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.evaluation.mpjpe import align, errors_mm, figures_3d

RNG = np.random.default_rng(0)
EVERY = np.ones(17, bool)
ROOTS = COCO17.roots


def _person() -> np.ndarray:
    return RNG.normal(0, 400, (17, 3)) + np.array([0, 0, 3000])


def _rotation(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def test_a_moved_person_is_right_once_the_roots_coincide() -> None:
    truth = _person()
    plain, aligned = errors_mm(truth + 500, truth, EVERY, ROOTS)
    assert plain.max() < 1e-9 and aligned.max() < 1e-9


def test_alignment_undoes_turn_and_scale_but_no_mirror() -> None:
    truth = _person()
    turned = 1.3 * truth @ _rotation(0.7) + 90
    plain, aligned = errors_mm(turned, truth, EVERY, ROOTS)
    assert plain.mean() > 50 and aligned.max() < 1e-6
    assert np.linalg.norm(align(truth * (-1, 1, 1), truth) - truth, axis=1).mean() > 50


def test_one_wrong_joint_is_one_wrong_joint() -> None:
    truth = _person()
    estimate = truth.copy()
    estimate[9] += (0, 300, 0)
    plain, aligned = errors_mm(estimate, truth, EVERY, ROOTS)
    assert plain[9] == pytest.approx(300) and np.delete(plain, 9).max() < 1e-9
    figures = figures_3d(plain[None], aligned[None], COCO17.joints)
    assert figures["mpjpe_mm"] == pytest.approx(300 / 17)
    assert figures["pck3d@150mm"] == pytest.approx(16 / 17)
    assert figures["joints"]["left_wrist"]["mpjpe_mm"] == pytest.approx(300)


def test_joints_that_do_not_count_do_not_count() -> None:
    truth, counted = _person(), EVERY.copy()
    counted[3] = False
    plain, _ = errors_mm(truth, truth, counted, ROOTS)
    assert np.isnan(plain[3]) and np.isfinite(np.delete(plain, 3)).all()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((480, 640, 3), 90, np.uint8))
    listing = {
        "images": [{"id": 1, "file_name": "a.png", "intrinsic": [600, 600, 320, 240]}],
        "annotations": [
            {"image_id": 1, "bbox": [200, 60, 200, 380], "keypoints_cam": _person().tolist()}
        ],
        "categories": [{"keypoints": list(COCO17.joints)}],
    }
    path = tmp_path / "data.json"
    path.write_text(json.dumps(listing))
    return path


_evaluate = partial(call, "evaluate")


def test_the_embedded_model_is_measured(data: Path) -> None:
    figures = json.loads(_evaluate(data, "--json").stdout)
    assert figures["people"] == 1 and len(figures["joints"]) == 17
    assert 0 < figures["pa_mpjpe_mm"] <= figures["mpjpe_mm"]
    assert "PA-MPJPE" in _evaluate(data).stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": [{"id": 1, "file_name": "a.png"}]}, "intrinsic"),
        ({"categories": [{"keypoints": ["x"] * 17}]}, "share 0 joints"),
        ({"categories": [{"keypoints": ["x"] * 5}]}, "17 joints, but 5 names"),
    ],
)
def test_bad_sets_are_named_in_one_line(data: Path, change: dict, words: str) -> None:
    data.write_text(json.dumps({**json.loads(data.read_text()), **change}))
    stderr = _evaluate(data, code=1).stderr
    said = [line for line in stderr.splitlines() if "error: " in line]
    assert len(said) == 1 and words in said[0]
