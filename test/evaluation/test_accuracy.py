"""Accuracy measures on cases worked out by hand, and against pycocotools."""

import json
import math

import numpy as np
import pytest

from pose_estimation_ros.evaluation import accuracy
from pose_estimation_ros.evaluation.accuracy import Person


def person(box, joints=17, crowd=False, image_id=1):
    rows = np.zeros((17, 3))
    rows[:, 0] = np.linspace(box[0], box[0] + box[2], 17)
    rows[:, 1] = np.linspace(box[1], box[1] + box[3], 17)
    rows[:joints, 2] = 2
    return Person(image_id, f"{image_id}.jpg", np.asarray(box, float), rows, crowd)


def corners(box):
    return [box[0], box[1], box[0] + box[2], box[1] + box[3]]


def test_oks_of_the_truth_is_one_and_far_away_zero():
    truth = np.random.default_rng(0).uniform(0, 100, (3, 17, 2))
    seen = np.ones((3, 17))
    np.testing.assert_allclose(accuracy.oks(truth, truth, seen, 5000), 1)
    np.testing.assert_allclose(accuracy.oks(truth + 1e4, truth, seen, 5000), 0, atol=1e-9)


def test_oks_of_one_shifted_joint_is_the_published_formula():
    truth, seen = np.zeros((17, 2)), np.zeros(17)
    seen[5] = 1
    moved = truth.copy()
    moved[5] = (6, 8)
    expected = math.exp(-100 / (2 * 5000 * (2 * 0.079) ** 2))
    assert float(accuracy.oks(moved, truth, seen, 5000)) == pytest.approx(expected)


def test_oks_ignores_joints_that_are_not_annotated():
    truth = np.zeros((17, 2))
    seen = np.ones(17)
    seen[9:] = 0
    moved = truth.copy()
    moved[9:] = 1e3
    assert float(accuracy.oks(moved, truth, seen, 100)) == pytest.approx(1)
    assert float(accuracy.oks(moved, truth, np.zeros(17), 100)) == 0


def test_oks_of_other_skeletons_needs_their_sigmas():
    with pytest.raises(ValueError, match="18 predicted"):
        accuracy.oks(np.zeros((18, 2)), np.zeros((18, 2)), np.ones(18), 1.0)
    assert accuracy.oks(
        np.zeros((18, 2)), np.zeros((18, 2)), np.ones(18), 1.0, np.full(18, 0.05)
    ) == pytest.approx(1)


def test_counted_people_are_large_and_annotated():
    assert person((0, 0, 64, 64)).counted
    assert not person((0, 0, 64, 63)).counted
    assert not person((0, 0, 100, 100), joints=7).counted
    assert not person((0, 0, 100, 100), crowd=True).counted


def test_mean_oks_is_the_mean_over_people():
    people = [person((0, 0, 100, 100)), person((0, 0, 200, 100))]
    predictions = [people[0].joints[:, :2], people[1].joints[:, :2] + 1e4]
    assert accuracy.mean_oks(predictions, people) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="1 predictions for 2"):
        accuracy.mean_oks(predictions[:1], people)


def test_detections_match_one_to_one_best_first():
    people = [person((0, 0, 100, 100)), person((200, 0, 100, 100))]
    boxes = np.array([[0, 0, 100, 90], [0, 0, 100, 100], [500, 0, 600, 100]], float)
    found, false = accuracy.match_image(boxes, np.array([0.5, 0.9, 0.7]), people)
    assert found.tolist() == [True, False]
    assert false.tolist() == [True, False, True]


def test_small_people_and_crowds_are_not_counted_but_not_false_either():
    people = [person((0, 0, 30, 30)), person((100, 100, 300, 300), crowd=True)]
    boxes = np.array([[0, 0, 30, 30], [150, 150, 250, 300], [160, 150, 260, 300]], float)
    result = accuracy.detection_accuracy([(boxes, np.array([0.9, 0.8, 0.7]), people)])
    assert result.counted == 0
    assert result.false_per_image == 0
    assert result.precision == 1


def test_detection_accuracy_over_images():
    one, two = person((0, 0, 100, 100)), person((0, 0, 80, 80), image_id=2)
    hit = np.array([corners(one.box)], float)
    miss = np.array([[300, 300, 400, 400]], float)
    result = accuracy.detection_accuracy(
        [(hit, np.array([0.9]), [one]), (miss, np.array([0.8]), [two])]
    )
    assert result.recall == 0.5
    assert result.precision == 0.5
    assert result.false_per_image == 0.5
    assert (result.counted, result.images) == (2, 2)


def test_images_without_people_or_detections():
    nothing = (np.zeros((0, 4)), np.zeros(0), [])
    alone = (np.zeros((0, 4)), np.zeros(0), [person((0, 0, 100, 100))])
    noise = (np.array([[0, 0, 9, 9]], float), np.array([0.4]), [])
    result = accuracy.detection_accuracy([nothing, alone, noise])
    assert result.recall == 0
    assert result.false_per_image == pytest.approx(1 / 3)
    assert accuracy.detection_ap([]) == 0


def test_average_precision_by_hand():
    people = [person((0, 0, 100, 100)), person((200, 0, 100, 100))]
    right = [corners(p.box) for p in people]
    perfect = (np.array(right, float), np.array([0.9, 0.8]), people)
    assert accuracy.detection_ap([perfect]) == pytest.approx(1)
    wrong = [500, 500, 600, 600]
    mixed = (np.array([right[0], wrong, right[1]], float), np.array([0.9, 0.8, 0.7]), people)
    # Precision 1 up to recall 0.5 (51 of the 101 points), 2/3 beyond.
    assert accuracy.detection_ap([mixed]) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_coco_listing_is_read_and_checked():
    row = {"id": 1, "image_id": 7, "bbox": [0, 0, 10, 20], "keypoints": [1] * 51, "iscrowd": 0}
    listing = {"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": [row]}
    people = accuracy.read_coco(listing)
    assert people[0].file_name == "a.jpg"
    assert people[0].box_area_px == 200
    row["image_id"] = 8
    with pytest.raises(ValueError, match="unknown image 8"):
        accuracy.read_coco(listing)


def test_coco_keypoint_ap_of_perfect_and_of_no_results(tmp_path):
    pytest.importorskip("pycocotools")
    someone = person((10, 10, 100, 100))
    keypoints = someone.joints.flatten().tolist()
    listing = {
        "info": {},
        "images": [{"id": 1, "file_name": "1.jpg", "width": 200, "height": 200}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "num_keypoints": 17,
             "bbox": someone.box.tolist(), "area": 5300.0, "keypoints": keypoints}
        ],
    }  # fmt: skip
    path = tmp_path / "listing.json"
    path.write_text(json.dumps(listing))
    result = {"image_id": 1, "category_id": 1, "keypoints": keypoints, "score": 0.9}
    assert accuracy.coco_keypoint_ap(path, [result])["AP"] == pytest.approx(1)
    assert accuracy.coco_keypoint_ap(path, []) == {"AP": 0, "AP50": 0, "AP75": 0, "AR": 0}
