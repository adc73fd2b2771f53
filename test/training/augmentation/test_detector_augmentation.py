"""Whole scenes for the detector."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.augmentation import detector  # noqa: E402
from training.common.image_pool import HARD_NEGATIVES, NOBODY_ELSE, Pool, Source  # noqa: E402
from training.hard_negatives import find_hard_negatives  # noqa: E402


def test_boxes_cut_at_the_border_are_kept_unsure_or_dropped():
    boxes = np.array(
        [[0, 0, 50, 50], [-45, 0, 5, 50], [-60, 0, -10, 50], [80, 10, 130, 60]], float
    )
    cut, kind = detector.clip_boxes(boxes, np.ones(4, int), 100, 100)
    assert kind.tolist() == [1, -1, 1]
    np.testing.assert_allclose(cut[2], (80, 10, 100, 60))


def test_a_whole_crop_may_be_shown_as_a_scene_with_its_person(tmp_path, monkeypatch):
    box = np.array([[40, 20, 200, 240]], np.float32)
    np.save(tmp_path / "crops.npy", np.full((3, 256, 256, 3), 200, np.uint8))
    np.save(tmp_path / "scenes.npy", np.zeros((80, 448, 448, 3), np.uint8))
    both = {"confidence": np.ones(80), "offsets": np.minimum(np.arange(81), 80)}
    packed = {f"{kind}_{k}": v for kind in ("crops", "scenes") for k, v in both.items()}
    boxes = np.repeat(box, 80, axis=0)
    sizes = np.full((80, 2), 448)
    np.savez(
        tmp_path / "boxes.npz",
        scenes_sizes=sizes,
        scenes_groups=[2, 0, 0, 78],
        crops_boxes=boxes,
        scenes_boxes=boxes,
        **packed,
    )
    pool = Pool(tmp_path)
    rng = np.random.default_rng(0)
    heights = []
    monkeypatch.setattr(detector, "ZOOMED", 0)
    monkeypatch.setattr(detector, "STRETCH", 0)
    for _ in range(20):
        picture, boxes, kind = detector.whole_scene(pool, 128, rng, crops=1.0)
        assert picture.shape == (128, 128, 3)
        assert kind.tolist() == [1]
        heights.append(float(boxes[0, 3] - boxes[0, 1]))
    assert 0.5 * 110 - 2 < min(heights) < 75, "a crop is shown down to half as large"
    assert 95 < max(heights) <= 111
    plain = detector.plain_scenes(pool, 2, 128, rng)
    assert plain.shape == (2, 128, 128, 3)
    assert plain.max() == 0, "the plain ones are scenes only"


def test_a_part_of_a_scene_has_the_boxes_that_are_in_it():
    image = np.zeros((200, 300, 3), np.uint8)
    image[40:160, 100:150] = 255
    source = Source(image, np.array([[100, 40, 150, 160]], np.float32), np.ones(1, int))
    sizes = []
    for seed in range(40):
        part, boxes, _ = detector.part_of(source, np.random.default_rng(seed))
        sizes.append(part.shape[:2])
        rows, columns = np.nonzero(part[..., 0])
        if len(boxes):
            seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            np.testing.assert_allclose(boxes[0], seen)
        else:
            assert len(rows) < 0.05 * 120 * 50
    heights, widths = zip(*sizes, strict=True)
    assert min(heights) < 100 < 180 < max(heights) and min(widths) < 150 < 270 < max(widths)


def write_scenes(cache, scenes, groups, box=None):
    """A cache of one black crop, and scenes (n, 416, 416, 3) with the box in each, or nobody."""
    np.save(cache / "crops.npy", np.zeros((1, 256, 256, 3), np.uint8))
    np.save(cache / "scenes.npy", scenes)
    boxes = np.zeros((0, 4)) if box is None else np.array([box] * len(scenes))
    np.savez(
        cache / "boxes.npz",
        scenes_sizes=np.full((len(scenes), 2), 416),
        scenes_groups=groups,
        scenes_boxes=boxes,
        scenes_confidence=np.ones(len(boxes)),
        scenes_offsets=np.minimum(np.arange(len(scenes) + 1), len(boxes)),
        crops_boxes=np.zeros((0, 4)),
        crops_confidence=np.zeros(0),
        crops_offsets=np.zeros(2, int),
    )


def test_a_box_is_stretched_with_its_scene(tmp_path, monkeypatch):
    monkeypatch.setattr(detector, "ZOOMED", 0)
    scene = np.zeros((1, 416, 416, 3), np.uint8)
    scene[0, 100:300, 150:350] = 255
    write_scenes(tmp_path, scene, [0, 0, 0, 1], box=(150, 100, 350, 300))
    pool, rng, ratios = Pool(tmp_path), np.random.default_rng(0), []
    for _ in range(30):
        picture, boxes, _ = detector.whole_scene(pool, 224, rng)
        spread = picture.max(2).astype(int)
        ys, xs = np.nonzero(spread > (spread.min() + spread.max()) / 2 + 30)
        if len(xs) and spread.max() > 200 and len(xs) < 224 * 224 / 2:
            seen = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            np.testing.assert_allclose(boxes[0], seen, atol=4)
        width, height = boxes[0, 2:] - boxes[0, :2]
        ratios.append(width / height)
    assert 0.77 < min(ratios) < 0.9 and 1.1 < max(ratios) < 1.3


def test_where_nobody_is_says_so(tmp_path):
    write_scenes(tmp_path, np.zeros((2, 416, 416, 3), np.uint8), [0, 1, 1, 0])
    pool = Pool(tmp_path)
    assert [pool.scene(i).empty for i in range(2)] == [True, False]
    rng = np.random.default_rng(0)
    kinds = [detector.whole_scene(pool, 64, rng)[2].tolist() for _ in range(50)]
    assert {tuple(kind) for kind in kinds} == {(), (NOBODY_ELSE,)}


def test_empty_scenes_in_which_somebody_was_seen_are_drawn_more_often(tmp_path):
    scenes = np.zeros((20, 416, 416, 3), np.uint8)
    scenes[7] = 200
    write_scenes(tmp_path, scenes, [0, 20, 0, 0])

    def predict(picture):
        return np.zeros((1, 4)), np.array([0.5 if picture.max() == 200 else 0.1])

    found = find_hard_negatives(predict, Pool(tmp_path), 0.3, 320)
    assert found.tolist() == [7]
    np.save(tmp_path / HARD_NEGATIVES, found)
    pool, rng = Pool(tmp_path), np.random.default_rng(0)
    drawn = [pool.draw_scene(rng).image.max() == 200 for _ in range(200)]
    assert 80 < sum(drawn) < 130
