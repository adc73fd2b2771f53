"""The parts of the trainings on cases worked out by hand."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("cv2")

from training import augment, depthwise, loop, mix, teachers  # noqa: E402
from training.detector_loss import LossOptions, assign, detector_loss, pair_iou  # noqa: E402
from training.detector_net import all_centres  # noqa: E402
from training.draw import Draw  # noqa: E402
from training.muon import orthogonalise  # noqa: E402
from training.pool import Pool, Source  # noqa: E402
from training.pose_augment import augment as augment_crops  # noqa: E402
from training.pose_augment import colour, cut_off, jpeg  # noqa: E402
from training.pose_data import build_targets  # noqa: E402
from training.train_pose import order_loss  # noqa: E402
from training.warp import at, move, similarity, warp  # noqa: E402

CPU = torch.device("cpu")


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_sampled_depthwise_gradient_is_exact_for_the_input_and_whole_batch(kernel, monkeypatch):
    monkeypatch.setattr(depthwise, "SHARE", 1)
    conv = torch.nn.Conv2d(6, 6, kernel, padding=kernel // 2, groups=6)
    x = torch.randn(4, 6, 12, 12, requires_grad=True)
    conv(x).square().sum().backward()
    grads = x.grad.clone(), conv.weight.grad.clone()
    x.grad = conv.weight.grad = None
    assert depthwise.speed_up(torch.nn.Sequential(conv)) == 1
    conv(x).square().sum().backward()
    torch.testing.assert_close(x.grad, grads[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(conv.weight.grad, grads[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("able", [True, False])
def test_bf16_is_used_only_where_the_processor_has_it(able, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    with loop.autocast(CPU):
        assert torch.is_autocast_enabled("cpu") is able
    matrices = torch.randn(2, 24, 16)
    singular = torch.linalg.svdvals(orthogonalise(matrices))
    assert ((singular > 0.6) & (singular < 1.3)).all()


def test_schedule_warms_up_and_ends_at_the_end_of_the_budget():
    budget = loop.Budget(steps=1000, minutes=None)
    assert loop.rate_factor(budget) < 0.02
    budget.step = 100
    assert loop.rate_factor(budget) > 0.95
    budget.step = 1000
    assert loop.rate_factor(budget) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="minutes"):
        loop.Budget(None, None)


def test_iou_and_giou_by_hand():
    a, b = torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 0, 3, 2])
    assert float(pair_iou(a, b)) == pytest.approx(1 / 3, abs=1e-5)
    assert float(pair_iou(a, b, generalised=True)) == pytest.approx(1 / 3, abs=1e-5)
    far = torch.tensor([8.0, 0, 10, 2])
    assert float(pair_iou(a, far, generalised=True)) == pytest.approx(-0.6, abs=1e-5)


def test_each_person_takes_cells_inside_its_own_box():
    centres, strides = all_centres(128, 128, CPU)
    truth = torch.tensor([[[8.0, 8, 40, 60], [70, 60, 120, 124], [0, 0, 0, 0]]])
    valid = torch.tensor([[True, True, False]])
    reach = 3 * strides[:, None]
    boxes = torch.cat((centres - reach, centres + reach), dim=1)[None]
    target, owner = assign(
        torch.full(boxes.shape[:2], 0.01), boxes, truth, valid, centres, strides, LossOptions()
    )
    taken = target[0] > 0
    assert set(owner[0][taken].tolist()) == {0, 1}
    for index in (0, 1):
        mine = taken & (owner[0] == index)
        assert 1 <= int(mine.sum()) <= 9
        x0, y0, x1, y1 = truth[0, index]
        inside = (centres[mine] > torch.stack((x0, y0)) - 4).all(1)
        inside &= (centres[mine] < torch.stack((x1, y1)) + 4).all(1)
        assert bool(inside.all())


def test_perfect_boxes_cost_less_and_unsure_people_cost_nothing():
    centres, _ = all_centres(64, 64, CPU)
    count = len(centres)
    truth = torch.tensor([[[8.0, 8, 56, 56]]])
    perfect = truth.expand(1, count, 4).clone()
    logits = torch.full((1, count), 4.0)
    person, unsure = torch.tensor([[1.0]]), torch.tensor([[-1.0]])
    taught, parts = detector_loss(logits, perfect, truth, person, (64, 64))
    assert parts["iou"] == pytest.approx(1, abs=1e-4)
    missed, _ = detector_loss(logits, perfect + 40, truth, person, (64, 64))
    assert float(taught) < float(missed)
    ignored, _ = detector_loss(logits, perfect, truth, unsure, (64, 64))
    assert float(ignored) == 0


def test_order_in_depth_costs_where_the_farther_joint_is_taken_for_the_nearer():
    left_wrist, right_wrist = 9, 10
    target = torch.full((1, 17, 5), 0.5)
    target[..., 4] = 1
    target[0, left_wrist, 2] = 0.4  # nearer by 20 cm
    z = torch.full((1, 17), 0.5, requires_grad=True)
    order_loss(z, target).backward()
    pulled = torch.zeros(17)
    pulled[left_wrist], pulled[right_wrist] = 1, -1
    assert (z.grad[0].sign() == pulled).all(), "apart, and nobody else: no other pair is clear"
    right, wrong = torch.full((2, 1, 17), 0.5)
    right[0, left_wrist], wrong[0, left_wrist] = 0.4, 0.6
    assert float(order_loss(right, target)) < 0.05 < 3 < float(order_loss(wrong, target))
    target[0, right_wrist, 4] = 0
    assert float(order_loss(wrong, target)) == 0, "one of the two is not labelled"


def test_nms_keeps_the_best_of_overlapping_boxes():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    assert teachers.nms(boxes, np.array([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]
    assert len(teachers.nms(boxes[:0], np.zeros(0), 0.5)) == 0


def test_merged_teachers_agree_or_are_lowered():
    one = (np.array([[0, 0, 10, 10]], np.float32), np.array([0.6], np.float32))
    two = (
        np.array([[1, 0, 11, 10], [50, 0, 60, 10]], np.float32),
        np.array([0.6, 0.5], np.float32),
    )
    boxes, confidence = teachers.merge(one, two)
    np.testing.assert_allclose(boxes[0], (0.5, 0, 10.5, 10), atol=1e-5)
    assert confidence[0] > 0.6
    assert confidence[1] < 0.5
    none = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    assert teachers.merge(none, none)[0].shape == (0, 4)
    assert len(teachers.merge(none, two)[0]) == 2


def test_boxes_cut_at_the_border_are_kept_unsure_or_dropped():
    boxes = np.array(
        [[0, 0, 50, 50], [-45, 0, 5, 50], [-60, 0, -10, 50], [80, 10, 130, 60]], float
    )
    cut, kind = augment.clip_boxes(boxes, np.ones(4, int), 100, 100)
    assert kind.tolist() == [1, -1, 1]
    np.testing.assert_allclose(cut[2], (80, 10, 100, 60))


def test_collage_cells_do_not_overlap_and_mosaics_cover_the_canvas():
    rng = np.random.default_rng(0)
    for _ in range(20):
        cover = np.zeros((128, 128), int)
        for x, y, w, h in augment.mosaic_cells(128, rng):
            cover[y : y + h, x : x + w] += 1
        assert (cover == 1).all()
        cover[:] = 0
        for x, y, w, h in augment.collage_cells(128, rng):
            cover[y : y + h, x : x + w] += 1
        assert cover.max() <= 1


def test_pictures_are_sampled_where_their_points_go():
    picture = torch.zeros(1, 1, 64, 64)
    picture[0, 0, 20:23, 40:43] = 1
    linear = similarity(*(torch.tensor([v]) for v in (1.5, 0.4, -1.0)))
    middle = torch.tensor([[[41.0, 21.0]]])
    shift = 48 - move(middle, linear, torch.zeros(1, 2))[:, 0]
    moved = warp(picture, linear, shift, 96)
    ys, xs = (moved[0, 0] > 0.5).nonzero().float().mean(0)
    assert (float(xs), float(ys)) == pytest.approx((48, 48), abs=0.6)
    assert at(moved[:, 0], torch.tensor([[[48.0, 48], [60, 48], [-3, 200]]])).tolist() == [
        [True, False, False]
    ]
    outside = warp(picture + 1, linear, shift + 200, 96, torch.tensor([True]))
    assert outside.min() == 1, "the border goes on"
    assert warp(picture + 1, linear, shift + 200, 96).max() == 0


def test_mirrored_crops_keep_the_persons_own_left_at_the_same_side():
    joints = torch.zeros(200, 17, 3)
    joints[..., :2] = 128
    joints[:, 5, 0], joints[:, 6, 0] = 170, 86  # facing us: left shoulder at the right
    pictures, others = torch.zeros(200, 4, 256, 256), torch.zeros(200, 3, 256, 256)
    pictures, moved, _ = augment_crops(
        pictures, joints, torch.ones(200, 17, 2), 64, others, Draw(0, CPU)
    )
    assert pictures.shape == (200, 3, 64, 64)
    # Not all: some crops are turned by any angle.
    assert (moved[:, 5, 0] > moved[:, 6, 0]).float().mean() > 0.95


def test_a_cut_crop_keeps_what_is_on_one_side_of_the_cut():
    count = 60
    pictures = torch.full((count, 4, 256, 256), 90.0)
    others = torch.full((count, 3, 256, 256), 200.0)
    joints = torch.zeros(count, 17, 3)
    joints[..., 0] = 128 + 10 * torch.tensor((1.0, -1.0)).repeat(9)[:17]
    joints[..., 1] = torch.linspace(45, 210, 17)
    weight = torch.ones(count, 17, 2)
    cut, left, middle, longer = cut_off(pictures, joints, weight, others, Draw(0, CPU))
    assert (weight == 1).all() and (pictures == 90).all(), "the stored crops are not touched"
    assert (left[..., 1] == left[..., 0]).all()
    kept = left[..., 0] > 0
    assert (kept.sum(1) >= 4).all() and not kept.all()
    away = (joints[..., :2] - middle[:, None]).abs().amax(2)
    assert (away[kept] < longer[:, None].expand(-1, 17)[kept] / 2 + 1e-3).all()
    x, y = joints[..., :2].long().unbind(2)
    shown = cut[torch.arange(count)[:, None], 0, y, x]
    assert (shown[kept] == 90).all()
    assert set(shown[~kept].tolist()) == {0, 90, 200}, (
        "the frame's end, a smaller crop, somebody else"
    )


def test_colours_are_changed_but_stay_colours_and_every_change_happens():
    ramp = torch.linspace(20, 230, 64).expand(96, 3, 64, 64).clone()
    ramp[:, :, 30:34] = 0
    changed = colour(ramp, Draw(0, CPU))
    assert changed.shape == ramp.shape
    assert changed.min() >= 0 and changed.max() <= 255
    edge = (changed[:, 0, 29, 40] - changed[:, 0, 30, 40]) / changed[:, 0, 10, 40]
    assert 0.05 < (edge < 0.8).float().mean() < 0.6, "a part of the pictures is less sharp"
    noisy = changed[:, 0, 10:20, 40].std(1)
    assert (noisy > 1).float().mean() > 0.05


def test_jpeg_loses_more_of_a_fine_pattern_than_of_a_plain_picture():
    plain = torch.full((8, 3, 32, 32), 120.0)
    fine = plain + 4 * torch.tensor((1.0, -1.0)).repeat(16)
    kept = [(jpeg(picture, Draw(0, CPU)) - picture).abs().mean() for picture in (plain, fine)]
    assert kept[0] < 1.5 < 3 < kept[1] < 4


def test_targets_prefer_coco_then_agreement_then_ground_truth_over_an_unsure_teacher():
    truth = np.zeros((3, 17, 3))
    teacher = np.full((3, 17, 3), 100.0)
    teacher[..., 2] = 0.9
    truth[0, 5], truth[1, 5], truth[2, 5] = (150, 100, 1), (105, 100, 1), (180, 100, 1)
    world = np.full((3, 17, 5), 100.0)
    world[..., 3] = 0.2
    world[:, 5, 3] = 0.5
    labels = {
        "ground_truth": truth,
        "teacher": teacher,
        "world": world,
        "source": np.array(["coco", "lspet", "lspet"]),
    }
    targets = build_targets(labels)
    assert targets.joints[0, 5, 0] == 150
    assert 100 < targets.joints[1, 5, 0] < 105
    assert targets.joints[2, 5, 0] == 180
    assert targets.weight[:, 5].tolist() == pytest.approx([1, 1, 0.4])
    assert targets.weight[1, 7] == pytest.approx(0.9)
    assert targets.joints[1, 5, 2] == pytest.approx(0.3)
    assert targets.weight_z[2, 5] == 0, "the depth belongs to a joint that is elsewhere"


def test_a_whole_crop_may_be_shown_as_a_scene_with_its_person(tmp_path, monkeypatch):
    box = np.array([[40, 20, 200, 240]], np.float32)
    np.save(tmp_path / "crops.npy", np.full((3, 256, 256, 3), 200, np.uint8))
    np.save(tmp_path / "scenes.npy", np.zeros((80, 448, 448, 3), np.uint8))
    both = {"confidence": np.ones(80), "offsets": np.minimum(np.arange(81), 80)}
    packed = {f"{kind}_{k}": v for kind in ("crops", "scenes") for k, v in both.items()}
    boxes = np.repeat(box, 80, axis=0)
    sizes = np.full((80, 2), 448)
    np.savez(
        tmp_path / "boxes.npz", scenes_sizes=sizes, crops_boxes=boxes, scenes_boxes=boxes, **packed
    )
    pool = Pool(tmp_path)
    rng = np.random.default_rng(0)
    heights = []
    monkeypatch.setattr(augment, "ZOOMED", 0)
    for _ in range(20):
        picture, boxes, kind = augment.whole_scene(pool, 128, rng, crops=1.0)
        assert picture.shape == (128, 128, 3)
        assert kind.tolist() == [1]
        heights.append(float(boxes[0, 3] - boxes[0, 1]))
    assert 0.5 * 110 - 2 < min(heights) < 75, "a crop is shown down to half as large"
    assert 95 < max(heights) <= 111
    plain = augment.plain_scenes(pool, 2, 128, rng)
    assert plain.shape == (2, 128, 128, 3)
    assert plain.max() == 0, "the plain ones are scenes only"


def test_a_part_of_a_scene_has_the_boxes_that_are_in_it():
    image = np.zeros((200, 300, 3), np.uint8)
    image[40:160, 100:150] = 255
    source = Source(image, np.array([[100, 40, 150, 160]], np.float32), np.ones(1, int))
    sizes = []
    for seed in range(40):
        part, boxes, _ = augment.part_of(source, np.random.default_rng(seed))
        sizes.append(part.shape[:2])
        rows, columns = np.nonzero(part[..., 0])
        if len(boxes):
            seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            np.testing.assert_allclose(boxes[0], seen)
        else:
            assert len(rows) < 0.05 * 120 * 50
    heights, widths = zip(*sizes, strict=True)
    assert min(heights) < 100 < 180 < max(heights) and min(widths) < 150 < 270 < max(widths)


def test_the_mean_of_two_checkpoints_and_none_of_two_networks(tmp_path):
    paths = [tmp_path / name for name in ("one.pth", "other.pth", "wide.pth", "mean.pth")]
    for path, values in zip(paths, ([0.0, 2.0], [4.0, 2.0], [1.0, 1.0, 1.0]), strict=False):
        state = {"weight": torch.tensor(values), "steps": torch.tensor(3)}
        torch.save({"network": state}, path)
    one, other, wide, mean = paths
    mix.mix(one, other, mean, share=0.25)
    found = torch.load(mean, weights_only=True)["network"]
    assert found["weight"].tolist() == [1.0, 2.0]
    assert int(found["steps"]) == 3
    with pytest.raises(ValueError, match=r"one\.pth and .*wide\.pth are not"):
        mix.mix(one, wide, mean)
