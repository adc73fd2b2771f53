"""People put into the detector's scenes."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs PyTorch")

from training.augmentation import detector as augment
from training.augmentation.scene_copy_paste import (
    SceneCopyPaste,
    covered_shares,
    positions,
    visible_boxes,
)
from training.augmentation.silhouettes import CUTOUTS, OUTLINES, outline
from training.common.image_pool import Pool, pack

BODY = (96, 45, 160, 211)  # x0, y0, x1, y1 of everybody's silhouette
PERSON, PLACE = (0, 200, 0), (0, 0, 200)
SOMEBODY = np.array([[300, 100, 380, 400]], np.float32)


@pytest.fixture
def pool(tmp_path):
    """Three crops, the second of nobody known, the third with a silhouette that is off."""
    crops = np.zeros((3, 256, 256, 4), np.uint8)
    x0, y0, x1, y1 = BODY
    crops[:, y0:y1, x0:x1] = (*PERSON, 255)
    crops[2, ..., 3] = np.roll(crops[2, ..., 3], 40, axis=1)
    np.save(tmp_path / CUTOUTS, crops)
    np.save(tmp_path / OUTLINES, [outline(crop[..., 3]) for crop in crops])
    np.save(tmp_path / "crops.npy", crops[..., :3])
    np.save(tmp_path / "scenes.npy", np.full((80, 448, 448, 3), PLACE, np.uint8))
    own = (np.array([BODY], np.float32), np.ones(1))
    nobody = (np.zeros((0, 4), np.float32), np.zeros(0))
    labels = {f"crops_{name}": values for name, values in pack([own, nobody, own]).items()}
    seen = pack([(SOMEBODY, np.ones(1))] * 80)
    labels |= {f"scenes_{name}": values for name, values in seen.items()}
    np.savez(
        tmp_path / "boxes.npz",
        scenes_sizes=np.full((80, 2), 448),
        scenes_groups=[2, 0, 0, 78],
        **labels,
    )
    return Pool(tmp_path)


def test_only_people_whose_silhouette_is_where_they_are_labelled_are_cut_out(pool):
    assert SceneCopyPaste(pool).people.tolist() == [0]


def test_boxes_are_those_of_what_is_seen_and_the_nearer_hide_the_others(pool):
    copy_paste = SceneCopyPaste(pool)
    scene, unchanged = np.full((300, 400, 3), PLACE, np.uint8), 0
    counts = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        before = np.zeros((0, 4), np.float32)
        filled, boxes, kinds = copy_paste.paste(scene, before, np.zeros(0, int), rng)
        unchanged += (filled == scene).all()
        people = filled[..., 1] > 75  # the light on them differs
        within = np.zeros(people.shape, bool)
        for x0, y0, x1, y1 in boxes.astype(int):
            assert 0 <= x0 < x1 <= 400 and 0 <= y0 < y1 <= 300
            assert people[y0:y1, x0].any() and people[y0:y1, x1 - 1].any()
            assert people[y0, x0:x1].any() and people[y1 - 1, x0:x1].any()
            within[y0:y1, x0:x1] = True
        assert within[people].mean() > 0.97, "all who are seen have a box, but for slivers"
        assert set(kinds.tolist()) <= {1, -1}
        counts.append(len(boxes))
    assert unchanged < 4 and min(counts) < 3 and max(counts) > 7
    assert (scene == PLACE).all(), "the scene that is kept is left as it is"


@pytest.mark.parametrize(("height", "width"), [(448, 300), (90, 448), (32, 32)])
def test_people_have_a_place_in_scenes_of_any_shape(height, width):
    rng = np.random.default_rng(0)
    rows = [row for _ in range(2000) for row in positions(height, width, rng)]
    size, x, foot = np.array(rows).T
    side = min(height, width)
    assert (size > 0).all() and (size < 1.6 * side).all()
    assert (x >= 0).all() and (x <= width).all()
    assert (foot > 0).all() and (foot - size < height).mean() > 0.97, "in the picture"


def test_whoever_is_mostly_hidden_is_neither_taught_nor_held_against_the_network():
    owner = np.zeros((40, 40), np.int16)
    owner[0:20, 0:10] = 1
    owner[0:20, 5:15] = 2  # covers half of the first one
    owner[30:32, 30:35] = 3  # a hand of somebody out of the frame
    owner[0:10, 20:30] = 4  # too small to tell
    boxes, kinds = visible_boxes(owner, np.array([200, 200, 200, 100, 500]))
    assert boxes.tolist() == [[0, 0, 5, 20], [5, 0, 15, 20], [30, 30, 35, 32], [20, 0, 30, 10]]
    assert kinds.tolist() == [1, 1, -1, -1]
    shares = covered_shares(owner, np.array([[0, 0, 20, 20], [0, 20, 40, 30], [50, 50, 60, 60]]))
    assert shares.tolist() == [0.75, 0, 0]
    assert outline(np.zeros((4, 4), np.uint8)) == (0, 0, 0, 0)


def test_a_scene_keeps_its_own_people_unless_others_cover_them(pool, monkeypatch):
    monkeypatch.setattr(augment, "ZOOMED", 0)
    monkeypatch.setattr(augment, "STRETCH", 0)
    copy_paste, kept, hidden, least = SceneCopyPaste(pool), 0, 0, 1.0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        picture, boxes, kinds = augment.whole_scene(pool, 224, rng, copy_paste=copy_paste)
        assert picture.shape == (224, 224, 3) and len(boxes) == len(kinds)
        own = SOMEBODY[0, 3] - SOMEBODY[0, 1]
        least = min(least, float((boxes[0, 3] - boxes[0, 1]) / own))
        kept, hidden = kept + (kinds[0] == 1), hidden + (kinds[0] == -1)
    assert kept > 20 and hidden > 0
    assert 0.39 < least < 0.5, "its boxes are scaled with it"


def test_what_is_missing_is_named(pool):
    for name in (OUTLINES, CUTOUTS):
        (pool.cache / name).unlink()
        with pytest.raises(
            FileNotFoundError, match=rf"{name} .*training\.augmentation\.silhouettes"
        ):
            SceneCopyPaste(pool)
