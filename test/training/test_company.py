"""Other people and places in the pose network's training crops."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs PyTorch")

from training.company import CUTOUTS, Company, blend, holds
from training.data import pack
from training.pose_data import augment, cut_off

RED, GREEN, BLUE = 0, 1, 2
OWN, OTHER, OTHER_PLACE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
BODY = (slice(45, 211), slice(96, 160))  # rows and columns of everybody's silhouette


def cutout(person):
    """A black crop with a person of one colour and its silhouette."""
    image = np.zeros((256, 256, 4), np.uint8)
    image[BODY] = (*person, 255)
    return image


@pytest.fixture
def joints():
    found = np.zeros((17, 3), np.float32)
    found[:, 0] = 128 + 20 * np.resize((1, -1), 17)
    found[:, 1] = np.linspace(50, 205, 17)
    return found


@pytest.fixture
def company(tmp_path, joints):
    """Three crops, of which the last one's silhouette is not where its joints are."""
    crops = np.stack([cutout(OTHER)] * 3)
    crops[2, ..., 3] = np.roll(crops[2, ..., 3], 90, axis=1)
    np.save(tmp_path / CUTOUTS, crops)
    np.save(tmp_path / "scenes.npy", np.full((80, 448, 448, 3), OTHER_PLACE, np.uint8))
    np.save(tmp_path / "crops.npy", crops[..., :3])
    packed = pack([(np.zeros((0, 4)), np.zeros(0))] * 80)
    labels = {f"scenes_{name}": values for name, values in packed.items()}
    np.savez(tmp_path / "boxes.npz", scenes_sizes=np.full((80, 2), 448), **labels)
    return Company(tmp_path, np.stack([joints] * 3), np.ones((3, 17)), np.arange(3))


def test_only_people_whose_joints_lie_in_their_silhouettes_are_cut_out(company):
    assert company.people.tolist() == [0, 1]
    assert company.cutout(0)[..., 3].any()
    assert not company.cutout(2)[..., 3].any()
    assert not holds(np.full((256, 256), 255, np.uint8), np.zeros((17, 3)), np.zeros(17)), (
        "too few known joints to tell"
    )


def test_others_stand_beside_behind_or_in_front_and_joints_stay_where_they_are(company, joints):
    picture, weight = cutout(OWN), np.ones((17, 2), np.float32)
    seen = {"alone": 0, "behind": 0, "in front": 0, "elsewhere": 0}
    x, y = np.round(joints[:, :2]).astype(int).T
    for seed in range(120):
        joined, left = company.join(picture, joints, weight, 1.0, np.random.default_rng(seed))
        assert joined.shape == (256, 256, 3) and joined.dtype == np.uint8
        others = (joined[..., GREEN] == 200).any()
        covered = left[:, 0] < 1
        assert (left[:, 1] == left[:, 0]).all() and (left > 0).all()
        assert (joined[y, x, RED][~covered] > 90).all(), "a joint that counts fully can be seen"
        assert covered.mean() < 0.9
        seen["alone"] += not others
        seen["behind"] += others and (joined[BODY][..., RED] == 200).all()
        seen["in front"] += covered.any()
        seen["elsewhere"] += (joined[..., BLUE] == 200).any()
    assert 40 < seen["alone"] < 85 and min(seen.values()) > 4, seen


def test_nobody_goes_behind_a_person_whose_silhouette_is_unknown(company, joints):
    picture, weight = cutout(OWN), np.ones((17, 2), np.float32)
    picture[..., 3] = 0
    for seed in range(60):
        joined, left = company.join(picture, joints, weight, 1.0, np.random.default_rng(seed))
        assert not joined[..., BLUE].any(), "nor is it put elsewhere"
        x, y = np.round(joints[left[:, 0] == 1, :2]).astype(int).T
        assert (joined[y, x, RED] > 90).all()


def test_blending_takes_as_much_of_the_upper_picture_as_the_mask_says():
    below, above = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 200, np.uint8)
    mask = np.array([[0, 255], [51, 102]], np.uint8)
    assert blend(below, above, mask)[..., 0].tolist() == [[100, 200], [120, 140]]


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"training\.silhouettes"):
        Company(tmp_path, np.zeros((1, 17, 3)), np.zeros((1, 17)), np.arange(1))


def test_what_a_cut_takes_away_leaves_the_silhouette_too(joints):
    image, other = cutout(OWN), np.full((256, 256, 3), 77, np.uint8)
    hidden = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        cut = cut_off(image, joints, np.ones((17, 2), np.float32), other, rng)
        if cut is not None:
            changed = (cut[0][..., :3] != image[..., :3]).any(-1)
            assert not cut[0][changed, 3].any()
            assert (cut[0][~changed, 3] == image[~changed, 3]).all()
            hidden += changed.any()
    assert hidden > 20


def test_an_augmented_crop_with_company_is_a_picture(company, joints):
    weight, other = np.ones((17, 2), np.float32), np.zeros((256, 256, 3), np.uint8)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        picture, moved, left = augment(company.cutout(0), joints, weight, 96, rng, other, company)
        assert picture.shape == (96, 96, 3) and moved.shape == (17, 3)
        assert set(np.unique(left).tolist()) <= {0.0, 0.5, 0.25, 0.125, 1.0}
