"""Packs of people: labels before the teacher, and a share of each pack in every batch."""

import numpy as np
import pytest

pytest.importorskip("cv2")
torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.pose.people import MAX_SPREAD, Pack, PeopleCrops, merge_labels, read_pack  # noqa: E402


def answers(peak=0.8):
    teacher = np.full((1, 17, 3), 100.0)
    teacher[..., 2] = peak
    return teacher


def test_a_label_goes_before_the_teacher():
    truth = np.zeros((1, 17, 3))
    truth[0, 5] = 40, 50, 2
    joints, weight = merge_labels(truth, answers(), np.zeros((1, 17)))
    assert joints[0, 5].tolist() == [40, 50, 0]
    assert joints[0, 6, :2].tolist() == [100, 100]
    assert weight[0, 5].tolist() == [1, 0, 0]
    assert weight[0, 6, 0] == pytest.approx(0.8)


def test_a_joint_on_which_the_answers_differ_is_no_target():
    spread = np.zeros((1, 17))
    spread[0, 3] = MAX_SPREAD + 1
    _, weight = merge_labels(np.zeros((1, 17, 3)), answers(), spread)
    assert weight[0, 3].tolist() == [0, 0, 0]
    assert (weight[0, 4:, 0] > 0).all()


def test_a_joint_that_nobody_sees_is_absent():
    _, weight = merge_labels(np.zeros((1, 17, 3)), answers(0.1), np.zeros((1, 17)))
    assert (weight[..., 0] == 0).all()
    assert (weight[..., 2] == 1).all()
    _, unsure = merge_labels(np.zeros((1, 17, 3)), answers(0.2), np.zeros((1, 17)))
    assert not unsure.any(), "neither a target nor absent"


def test_a_pack_is_read_and_people_with_too_few_joints_left_out(tmp_path):
    np.save(tmp_path / "coco_train_crops.npy", np.zeros((2, 256, 256, 3), np.uint8))
    teacher = np.concatenate((answers(0.8), answers(0.2)))
    np.savez(
        tmp_path / "coco_train_labels.npz",
        name=np.array(["a", "b"]),
        truth=np.zeros((2, 17, 3)),
        teacher=teacher,
        spread=np.zeros((2, 17)),
    )
    assert read_pack(tmp_path, "coco_train").indices.tolist() == [0]


def test_in_a_crop_of_nobody_every_joint_is_absent(tmp_path):
    np.save(tmp_path / "empty_crops.npy", np.zeros((3, 256, 256, 3), np.uint8))
    pack = read_pack(tmp_path, "empty")
    assert len(pack.indices) == 3
    assert (pack.weight[..., 2] == 1).all()
    assert not pack.weight[..., :2].any()


def test_batches_have_a_share_of_every_pack():
    def pack(value, absent):
        weight = np.zeros((4, 17, 3), np.float32)
        weight[..., 2 if absent else 0] = 1
        crops = np.full((4, 256, 256, 3), value, np.uint8)
        joints = np.full((4, 17, 3), 128, np.float32)
        return Pack(crops, joints, weight, np.arange(4))

    packs = {"everyday": pack(200, False), "empty": pack(90, True)}
    crops = PeopleCrops(packs, batch=12, side=64, seed=0)
    assert sum(crops.counts) == 12
    assert crops.counts[1] >= 1
    images, target = next(iter(crops))
    assert images.shape == (12, 64, 64, 3)
    assert images.dtype == torch.uint8
    assert target.shape == (12, 17, 6)
    assert (target[: crops.counts[0], :, 3] == 1).all()
    assert (target[crops.counts[0] :, :, 5] == 1).all()
    again, _ = next(iter(PeopleCrops(packs, batch=12, side=64, seed=0)))
    assert torch.equal(images, again), "the seed fixes them"
