"""The offline teacher's crop and its decoding."""

import numpy as np
import pytest
from paths import SHARED

pytest.importorskip("cv2")
pytest.importorskip("torch", reason="training needs PyTorch")

from training.distillation.tinypose import (
    HEIGHT,
    STRIDE,
    WIDTH,
    OfflineTeacher,
    crop_matrix,
    decode_maps,
)


def test_a_peak_between_cells_is_found():
    ys, xs = np.mgrid[:64, :48]
    wanted = np.array(((20.3, 31.8), (5.0, 60.4)))
    maps = np.stack([0.7 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 8) for x, y in wanted])
    found = decode_maps(maps.astype(np.float32))
    np.testing.assert_allclose(found[:, :2], wanted * STRIDE, atol=0.5)
    assert (found[:, 2] > 0.6).all()


def test_a_peak_at_the_border_stays_in_the_crop():
    maps = np.zeros((1, 64, 48), np.float32)
    maps[0, 0, 47] = 1
    x, y, _ = decode_maps(maps)[0]
    assert 0 <= y <= HEIGHT - 1
    assert 0 <= x <= WIDTH - 1


@pytest.mark.parametrize("box", [(10, 20, 30, 100), (10, 20, 100, 30)])
def test_the_crop_holds_the_enlarged_box(box):
    matrix = crop_matrix(np.array(box, float), 1.25)
    low = matrix @ (box[0], box[1], 1)
    high = matrix @ (box[0] + box[2], box[1] + box[3], 1)
    span = high - low
    assert max(span[0] / WIDTH, span[1] / HEIGHT) == pytest.approx(1 / 1.25)
    np.testing.assert_allclose((low + high) / 2, (WIDTH / 2, HEIGHT / 2), atol=0.9)


@pytest.mark.skipif(not (SHARED / "models").exists(), reason=f"no {SHARED / 'models'}")
def test_a_mirrored_picture_has_mirrored_joints():
    pytest.importorskip("openvino")
    teacher = OfflineTeacher(SHARED / "models")
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 256, (8, 6, 3)), np.ones((40, 40, 1))).astype(np.uint8)
    width = image.shape[1]
    box = np.array((20.0, 10.0, 180.0, 290.0))
    mirrored_box = np.array((width - 200.0, 10.0, 180.0, 290.0))
    joints, spread = teacher(image, box, (1.25,))
    other, _ = teacher(np.ascontiguousarray(image[:, ::-1]), mirrored_box, (1.25,))
    from training.common.data import FLIP

    other = other[list(FLIP)]
    np.testing.assert_allclose(other[:, 2], joints[:, 2], atol=1e-3)
    np.testing.assert_allclose(width - 1 - other[:, 0], joints[:, 0], atol=0.5)
    assert spread.shape == (17,)
