"""Other people and places in the pose network's training crops."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.augmentation.pose import augment, cut_off  # noqa: E402
from training.augmentation.pose_copy_paste import PoseCopyPaste, joints_in_silhouette  # noqa: E402
from training.augmentation.scene_crops import (  # noqa: E402
    MIN_PERSON,
    SceneShares,
    draw_indices,
)
from training.augmentation.silhouettes import CUTOUTS, open_cutouts  # noqa: E402
from training.augmentation.warp import blend  # noqa: E402
from training.common.image_pool import pack  # noqa: E402
from training.common.rng import BatchRng  # noqa: E402

RED, GREEN, BLUE = 0, 1, 2
OWN, OTHER, OTHER_PLACE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
SCENES = 80
GROUPED = (2, 0, 0, 78)  # streets and images of COCO
BODY = (slice(45, 211), slice(96, 160))  # rows and columns of everybody's silhouette
COUNT = 120


def cutout(person):
    """A black crop with a person of one colour and its silhouette."""
    image = np.zeros((256, 256, 4), np.uint8)
    image[BODY] = (*person, 255)
    return image


def batch(image):
    """``COUNT`` of a crop (256, 256, 4), as the augmentation takes them."""
    pictures = torch.from_numpy(image).permute(2, 0, 1).float().repeat(COUNT, 1, 1, 1)
    pictures[:, 3] /= 255
    return pictures


def rng():
    return BatchRng(1, torch.device("cpu"))


@pytest.fixture
def joints():
    found = torch.zeros(17, 3)
    found[:, 0] = 128 + 20 * torch.tensor((1.0, -1.0)).repeat(9)[:17]
    found[:, 1] = torch.linspace(50, 205, 17)
    return found


def write_scenes(cache, boxes=(), confidence=(), image=None, in_crops=()):
    """Scenes of another place, every one with the same people, and who is sure to be in crops."""
    people = np.reshape(boxes, (-1, 4)), np.array(confidence, float)
    plain = np.full((448, 448, 3), OTHER_PLACE, np.uint8)
    np.save(cache / "scenes.npy", np.stack([plain if image is None else image] * SCENES))
    labels = {f"scenes_{name}": values for name, values in pack([people] * SCENES).items()}
    crops = np.reshape(in_crops, (-1, 4)), np.full(len(in_crops), 0.9)
    labels |= {f"crops_{name}": values for name, values in pack([crops] * 3).items()}
    np.savez(
        cache / "boxes.npz",
        scenes_sizes=np.full((SCENES, 2), 448),
        scenes_groups=GROUPED,
        **labels,
    )


@pytest.fixture
def copy_paste(tmp_path, joints):
    """Three crops, of which the last one's silhouette is not where its joints are."""
    crops = np.stack([cutout(OTHER)] * 3)
    crops[2, ..., 3] = np.roll(crops[2, ..., 3], 90, axis=1)
    np.save(tmp_path / CUTOUTS, crops)
    np.save(tmp_path / "crops.npy", crops[..., :3])
    write_scenes(tmp_path)
    stored = torch.from_numpy(np.array(open_cutouts(tmp_path / CUTOUTS)))
    return PoseCopyPaste(
        tmp_path, stored, joints.repeat(3, 1, 1), torch.ones(3, 17), torch.arange(3)
    )


def test_only_people_whose_joints_lie_in_their_silhouettes_are_cut_out(copy_paste):
    assert copy_paste.people.tolist() == [0, 1]
    masks = copy_paste.cutout(torch.tensor([0, 2]))[:, 3]
    assert masks[0].max() == 1 and not masks[1].any()
    everywhere, nowhere = torch.full((1, 256, 256), 255, dtype=torch.uint8), torch.zeros(1, 17)
    assert not joints_in_silhouette(everywhere, torch.zeros(1, 17, 3), nowhere, torch.arange(1)), (
        "too few known joints to tell"
    )


def test_others_stand_beside_behind_or_in_front_and_joints_stay_where_they_are(copy_paste, joints):
    pictures, weight = batch(cutout(OWN)), torch.ones(COUNT, 17, 2)
    places, scale = joints.repeat(COUNT, 1, 1), torch.ones(COUNT)
    joined, left = copy_paste.paste(pictures, places, weight, scale, rng())
    assert joined.shape == (COUNT, 3, 256, 256)
    assert (weight == 1).all() and (pictures[0, RED] == pictures[-1, RED]).all(), "not touched"
    assert (left[..., 1] == left[..., 0]).all() and (left > 0).all()
    x, y = joints[:, :2].round().long().T
    covered = left[..., 0] < 1
    own = joined[:, RED, y, x]
    assert (own[~covered] > 90).all(), "a joint that counts fully can be seen"
    assert (covered.float().mean(1) < 0.9).all()
    others = (joined[:, GREEN] > 190).flatten(1).any(1)
    whole = (joined[(slice(None), RED, *BODY)] > 199).flatten(1).all(1)
    elsewhere = (joined[:, BLUE] > 190).flatten(1).any(1)
    counts = [int(kind.sum()) for kind in (~others, others & whole, covered.any(1), elsewhere)]
    assert 40 < counts[0] < 85 and min(counts) > 4, counts


def test_nobody_goes_behind_a_person_whose_silhouette_is_unknown(copy_paste, joints):
    pictures, weight = batch(cutout(OWN)), torch.ones(COUNT, 17, 2)
    pictures[:, 3] = 0
    places = joints.repeat(COUNT, 1, 1)
    joined, left = copy_paste.paste(pictures, places, weight, torch.ones(COUNT), rng())
    assert not joined[:, BLUE].any(), "nor is it put elsewhere"
    x, y = joints[:, :2].round().long().T
    assert (joined[:, RED, y, x][left[..., 0] == 1] > 90).all()


def test_blending_takes_as_much_of_the_upper_picture_as_the_mask_says():
    below, above = torch.full((1, 3, 2, 2), 100.0), torch.full((1, 3, 2, 2), 200.0)
    mask = torch.tensor([[[[0, 1.0], [0.2, 0.4]]]])
    torch.testing.assert_close(
        blend(below, above, mask)[0, 0], torch.tensor([[100.0, 200], [120, 140]])
    )


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"training\.augmentation\.silhouettes"):
        open_cutouts(tmp_path / CUTOUTS)


def test_what_a_cut_takes_away_leaves_the_silhouette_too(joints):
    pictures, others = batch(cutout(OWN)), torch.full((COUNT, 3, 256, 256), 77.0)
    places, weight = joints.repeat(COUNT, 1, 1), torch.ones(COUNT, 17, 2)
    cut, *_ = cut_off(pictures, places, weight, others, rng())
    changed = (cut[:, :3] != pictures[:, :3]).any(1)
    assert not cut[:, 3][changed].any()
    assert (cut[:, 3][~changed] == pictures[:, 3][~changed]).all()
    assert changed.flatten(1).any(1).float().mean() > 0.5


def test_augmented_crops_with_pasted_people_are_pictures(copy_paste, joints):
    weight, others = torch.ones(20, 17, 2), torch.zeros(20, 3, 256, 256)
    pictures = copy_paste.cutout(torch.zeros(20, dtype=torch.long))
    pictures, moved, left = augment(
        pictures, joints.repeat(20, 1, 1), weight, 96, others, rng(), copy_paste
    )
    assert pictures.shape == (20, 3, 96, 96) and moved.shape == (20, 17, 3)
    assert pictures.min() >= 0 and pictures.max() <= 255
    assert set(left.unique().tolist()) <= {0.0, 0.5, 0.25, 0.125, 1.0}


def test_a_share_of_the_crops_shows_any_part_of_a_scene_and_knows_of_no_joint(copy_paste, joints):
    weight, others = torch.ones(20, 17, 2), torch.zeros(20, 3, 256, 256)
    pictures = copy_paste.cutout(torch.zeros(20, dtype=torch.long))
    given = (pictures, joints.repeat(20, 1, 1), weight, 96, others, rng(), copy_paste)
    pictures, _, left = augment(*given, shares=SceneShares(parts=0.3))
    nobody = left.flatten(1).sum(1) == 0
    assert nobody.sum() == 6
    middle = pictures[nobody].flatten(2).median(2).values
    # Grey, of other gains, or as they were, but never of the people's green alone.
    assert (middle[:, BLUE] >= middle[:, GREEN]).all()


def with_people_in_scenes(copy_paste, cache, joints):
    """A green person in every scene, a doubtful and a far one too."""
    low, high = (60, 200), (160, 400)
    image = np.full((448, 448, 3), OTHER_PLACE, np.uint8)
    image[low[1] : high[1], low[0] : high[0]] = OTHER
    far = (300, 300, 300 + MIN_PERSON / 3, 300 + MIN_PERSON - 2)
    write_scenes(cache, ((*low, *high), (250, 20, 440, 180), far), (0.9, 0.3, 0.9), image)
    weight = torch.ones(3, 17)
    return PoseCopyPaste(
        cache, copy_paste.cutouts, joints.repeat(3, 1, 1), weight, torch.arange(3)
    )


def test_people_in_scenes_fill_crops_as_a_detector_would_draw_them(copy_paste, tmp_path, joints):
    found = with_people_in_scenes(copy_paste, tmp_path, joints)
    assert len(found.scene_crops.boxes) == SCENES  # neither the doubtful one nor the one far away
    crops = found.scene_crops.people(COUNT, 96, rng())
    assert crops.shape == (COUNT, 3, 96, 96)
    green = (crops[:, GREEN] > 150).float()
    assert green[:, 48, 48].all()
    # The box is 100x200 px, its crop a square of 220 px on average, up to 286 and down to 180.
    share = green.mean((1, 2))
    assert share.min() > 0.24 and share.max() < 0.65
    assert share.std() > 0.03


def test_a_scene_without_people_gives_any_part_of_it(copy_paste):
    assert not len(copy_paste.scene_crops.boxes)
    crops = copy_paste.scene_crops.people(7, 64, rng())
    assert crops.shape == (7, 3, 64, 64)
    assert (crops[:, BLUE] > 150).all()


def test_others_in_somebody_s_crop_are_shown_too_but_not_in_one_that_was_held_out(
    copy_paste, tmp_path, joints
):
    own, other, tiny = (96, 45, 160, 211), (150, 60, 250, 256), (0, 0, 20, 30)
    write_scenes(tmp_path, (60, 200, 160, 400), (0.9,), in_crops=(own, other, tiny))
    crops = copy_paste.cutouts.clone()
    crops[..., :3] = torch.tensor((0, 0, 0))
    crops[:, 60:, 150:250, RED] = 200  # the other one, up to the lower edge
    crops[2, ..., GREEN] = 200
    found = PoseCopyPaste(
        tmp_path, crops, joints.repeat(3, 1, 1), torch.ones(3, 17), torch.arange(2)
    )
    assert found.scene_crops.bystanders.tolist() == [list(other)] * 2
    assert found.scene_crops.bystander_crop.tolist() == [0, 1]
    shown = found.scene_crops.people(20, 96, rng())
    red = shown[:, RED, 48, 48] > 150
    assert red.sum() == 8
    assert (shown[:, GREEN].flatten(1).amax(1) < 50).all()
    assert (shown[red, RED, 88] < 50).float().mean() > 0.5  # black beyond the edge


def test_coco_s_scenes_are_drawn_more_often_than_the_streets(copy_paste):
    drawn = draw_indices(70, SCENES, 2000, rng())
    assert 0.55 < (drawn >= 70).float().mean() < 0.65
    assert set(drawn.tolist()) == set(range(SCENES))
    for streets in (0, SCENES):  # one kind only
        assert set(draw_indices(streets, SCENES, 2000, rng()).tolist()) == set(range(SCENES))


def test_what_is_shown_instead_has_no_labels(copy_paste, tmp_path, joints):
    found = with_people_in_scenes(copy_paste, tmp_path, joints)
    pictures, weight = torch.zeros(20, 3, 96, 96), torch.ones(20, 17, 2)
    found.scene_crops.replace(pictures, weight, SceneShares(people=0.25, parts=0.1), rng())
    replaced = pictures.flatten(1).amax(1) > 0
    assert replaced.sum() == 7
    assert (weight[replaced] == 0).all() and (weight[~replaced] == 1).all()
    assert (pictures[:, GREEN, 48, 48] > 150).sum() >= 5
