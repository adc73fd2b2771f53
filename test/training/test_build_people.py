"""People cut out of whole pictures."""

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("torch", reason="training needs PyTorch")

from training.build_people import (  # noqa: E402
    Person,
    build,
    coco_people,
    everyday_people,
    labelled_people,
    stored_crop,
)
from training.common.data import BOX_IN_CROP, CROP_SIDE  # noqa: E402


class Teacher:
    """Sees every joint at the corner of the box."""

    def __call__(self, image, box, enlarge):
        joints = np.tile((box[0], box[1], 0.9), (17, 1)).astype(np.float32)
        return joints, np.full(17, 2.0, np.float32)


def picture(path, width=200, height=160):
    image = np.zeros((height, width, 3), np.uint8)
    image[60:100, 80:120] = 255
    cv2.imwrite(str(path), image)
    return image


def test_a_crop_has_its_box_in_the_middle():
    image = np.zeros((160, 200, 3), np.uint8)
    image[60:100, 80:120] = 255
    crop, matrix = stored_crop(image, np.array((80.0, 60.0, 40.0, 40.0)))
    _, xs = np.nonzero(crop[..., 0] > 127)
    assert crop.shape == (CROP_SIDE, CROP_SIDE, 3)
    assert np.ptp(xs) + 1 == pytest.approx(BOX_IN_CROP, abs=3)
    assert xs.mean() == pytest.approx((CROP_SIDE - 1) / 2, abs=1)
    np.testing.assert_allclose(matrix @ (99.5, 79.5, 1), [(CROP_SIDE - 1) / 2] * 2)


def test_joints_are_read_as_yolo_writes_them(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    picture(tmp_path / "images" / "a.png")
    joints = np.zeros((17, 3))
    joints[:6] = 0.45, 0.4375, 2
    numbers = " ".join(f"{value:.6f}" for value in joints.ravel())
    box = "0.5 0.5 0.2 0.25"
    lines = [f"0 {box} {numbers}", f"0 {box}", f"0 {box} {'0 ' * 51}", f"16 {box} {numbers}", ""]
    (tmp_path / "labels" / "a.txt").write_text("\n".join(lines))
    ((name, image, (person,)),) = labelled_people(tmp_path)
    assert (name, image.shape) == ("a.png", (160, 200, 3))
    np.testing.assert_allclose(person.box, (80, 60, 40, 40), atol=1e-3)
    np.testing.assert_allclose(person.truth[:6], [(90, 70, 2)] * 6, atol=1e-3)
    assert not person.truth[6:].any()


def test_annotated_people_with_joints_are_read(tmp_path):
    picture(tmp_path / "a.png")
    joints = np.zeros((17, 3))
    joints[:6] = 90, 70, 2
    row = {
        "image_id": 1,
        "bbox": [80, 60, 40, 40],
        "iscrowd": 0,
        "keypoints": joints.ravel().tolist(),
    }
    listing = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "absent.png"}],
        "annotations": [
            row | {"num_keypoints": 6},
            row | {"num_keypoints": 2},
            row | {"num_keypoints": 6, "iscrowd": 1},
        ],
    }
    ((name, image, people),) = coco_people(listing, tmp_path)
    assert name == "a.png"
    assert image.shape == (160, 200, 3)
    (person,) = people
    assert person.truth[0].tolist() == [90, 70, 2]


def test_detected_people_are_read_by_picture(tmp_path):
    picture(tmp_path / "a.png")
    teacher = np.zeros((4, 17, 3), np.float16)
    boxes = np.array(
        [(1, 2, 80, 90, 0.8), (9, 9, 80, 90, 0.9), (1, 2, 80, 90, 0.3), (5, 5, 80, 90, 0.9)]
    )
    names = np.array(["a.png", "absent.png", "a.png", "a.png"])
    np.savez(tmp_path / "labels.npz", name=names, box=boxes.astype(np.float16), teacher=teacher)
    ((name, _, people),) = everyday_people(tmp_path / "labels.npz", tmp_path)
    assert name == "a.png"
    assert len(people) == 2, "one is not there, one too unsure"


def test_a_pack_has_labels_in_px_of_the_crop(tmp_path):
    image = np.zeros((400, 300, 3), np.uint8)
    box = np.array((50.0, 60.0, 100.0, 200.0), np.float32)
    truth = np.zeros((17, 3), np.float32)
    truth[0] = 99.5, 159.5, 2  # the middle
    small = Person(np.array((0.0, 0.0, 20.0, 20.0)))
    pictures = [("a", image, [Person(box, truth), small, Person(box, None, truth)])]
    assert build(pictures, "pack", tmp_path, Teacher()) == 2
    labels = np.load(tmp_path / "pack_labels.npz")
    assert np.load(tmp_path / "pack_crops.npy").shape == (2, CROP_SIDE, CROP_SIDE, 3)
    assert labels["name"].tolist() == ["a", "a"]
    np.testing.assert_allclose(labels["truth"][0, 0], (127.5, 127.5, 2), atol=1e-3)
    np.testing.assert_allclose(labels["teacher"][1, 0], (127.5, 127.5, 2), atol=1e-3)
    scale = BOX_IN_CROP / 200
    np.testing.assert_allclose(labels["spread"][0], 2 * scale, rtol=1e-5)
    assert not labels["spread"][1].any()
    np.testing.assert_allclose(
        labels["teacher"][0, 0, :2], 127.5 - np.array((49.5, 99.5)) * scale, atol=0.1
    )
