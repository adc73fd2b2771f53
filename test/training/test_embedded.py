"""The embedded models keep their contracts and their model cards' accuracy."""

import json
import re

import numpy as np
import pytest

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

from paths import ROOT  # noqa: E402

from pose_estimation_ros.cli.main import main  # noqa: E402
from pose_estimation_ros.engine.pose.top_down import crop_enlarge  # noqa: E402
from pose_estimation_ros.engine.runtimes import load_runtime  # noqa: E402
from training.build_cache import CROP_TARS  # noqa: E402
from training.common import data, metrics  # noqa: E402

pytestmark = pytest.mark.slow

SHARED = ROOT.parent / "shared"
MODELS = ROOT / "models"
DETECTORS = [MODELS / "person_detector.onnx", MODELS / "person_detector_int8.onnx"]
POSES = [MODELS / "convnextpose_xs_coco17.onnx", MODELS / "convnextpose_xs_coco17_int8.onnx"]
each_detector = pytest.mark.parametrize("path", DETECTORS, ids=lambda path: path.stem)
each_pose = pytest.mark.parametrize("path", POSES, ids=lambda path: path.stem)
needs_data = pytest.mark.skipif(
    not (SHARED / "data" / "coco_dev").exists(), reason=f"no {SHARED / 'data' / 'coco_dev'}"
)


@each_detector
def test_detector_takes_any_batch_and_any_multiple_of_32(path):
    assert path.stat().st_size <= 4e6
    model = load_runtime(path, "onnxruntime", metrics.THREADS)
    for n, height, width in ((1, 320, 320), (2, 192, 416)):
        boxes, scores = model.run(np.zeros((n, height, width, 3), np.uint8))
        cells = sum(height // s * (width // s) for s in (8, 16, 32))
        assert boxes.shape == (n, cells, 4)
        assert scores.shape == (n, cells)
        assert scores.max() < 0.5, "a black picture holds nobody"


@each_pose
def test_pose_takes_any_batch_and_gives_crop_pixels_and_metres(path):
    assert path.stat().st_size <= 8e6
    model = load_runtime(path, "onnxruntime", metrics.THREADS)
    assert crop_enlarge(model.metadata, path.name) == data.ENLARGE, "the crop of the training"
    for n in (1, 3):
        image = np.random.default_rng(0).integers(0, 256, (n, 192, 192, 3), np.uint8)
        joints, scores = model.run(image)
        assert joints.shape == (n, 17, 3)
        assert scores.shape == (n, 17)
        assert ((joints[..., :2] > -1) & (joints[..., :2] < 192)).all()
        assert (np.abs(joints[..., 2]) < 1).all()
        assert ((scores >= 0) & (scores <= 1)).all()


@needs_data
@each_detector
def test_detector_is_as_accurate_as_its_card_says(path):
    model = load_runtime(path, "onnxruntime", metrics.THREADS)

    def predict(picture):
        boxes, scores = model.run(picture[None])
        return boxes[0], scores[0]

    figures = metrics.detector_figures(predict, metrics.dev_set(SHARED))
    assert figures["counted"] == 113
    assert figures["recall"] >= 0.75
    assert figures["false_per_image"] <= 1
    assert figures["ap50"] >= 0.70


@needs_data
@each_pose
def test_pose_is_as_accurate_as_its_card_says(path):
    model = load_runtime(path, "onnxruntime", metrics.THREADS)
    enlarge = crop_enlarge(model.metadata, path.name)
    figures = metrics.pose_figures(
        lambda crops: model.run(crops)[0], metrics.dev_set(SHARED), 192, enlarge
    )
    assert figures["counted"] == 113
    assert figures["mean_oks"] >= 0.7


@pytest.fixture(scope="module")
def held_out_crops():
    with np.load(SHARED / "data/person_crops_labels.npz") as labels:
        names, world = labels["name"], labels["world"]
    wanted = {str(names[i]): int(i) for i in np.flatnonzero(data.held_out(len(names)))}
    crops = {
        wanted[f"{stem}/{name}"]: data.decode(encoded)
        for stem in CROP_TARS
        for name, encoded in data.read_tar(SHARED / "data" / f"{stem}.tar")
        if f"{stem}/{name}" in wanted
    }
    return world, crops


@needs_data
@each_pose
def test_depth_tells_front_from_back_as_the_card_says(path, held_out_crops):
    model = load_runtime(path, "onnxruntime", metrics.THREADS)
    enlarge = crop_enlarge(model.metadata, path.name)
    figures = metrics.depth_sign(lambda crops: model.run(crops)[0], *held_out_crops, 192, enlarge)
    assert figures["pairs"] == 2623
    assert figures["depth_sign"] >= 0.9


def card_figures(card: str, *what: str) -> list[float]:
    """The numbers of the line of a model card that begins with these words."""
    text = (ROOT / "models" / card).read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(what))
    return [float(number) for number in re.findall(r"(?<![\w@])\d\.\d+", line)]


@needs_data
@pytest.mark.parametrize("boxes", ["detector", "ground-truth"])
def test_evaluate_gives_the_figures_of_the_cards(boxes, capsys):
    folder = SHARED / "data/coco_dev"
    listing, images = folder / "person_keypoints_dev.json", folder / "images"
    words = ["evaluate", listing, "--images", images, "--boxes", boxes, "--json"]
    words += ["--yolo-model", DETECTORS[0], "--model-path", POSES[0], "--runtime", "onnxruntime"]
    assert main([*map(str, words)]) == 0
    figures = json.loads(capsys.readouterr().out)
    if boxes == "detector":
        found = [figures["detection"][name] for name in ("recall", "false_per_image", "ap50")]
        card = "person_detector.md"
    else:
        found = [figures["pose"]["mean_oks"], figures["pose"]["pck@0.1"], figures["coco"]["AP"]]
        card = "convnextpose_xs_coco17.md"
    assert card_figures(card, "`pose_estimation evaluate") == pytest.approx(found, abs=0.03)
