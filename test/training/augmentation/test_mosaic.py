"""Mosaics and collages."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.augmentation.mosaic import collage_cells, mosaic_cells  # noqa: E402


def test_collage_cells_do_not_overlap_and_mosaics_cover_the_canvas():
    rng = np.random.default_rng(0)
    for _ in range(20):
        cover = np.zeros((128, 128), int)
        for x, y, w, h in mosaic_cells(128, rng):
            cover[y : y + h, x : x + w] += 1
        assert (cover == 1).all()
        cover[:] = 0
        for x, y, w, h in collage_cells(128, rng):
            cover[y : y + h, x : x + w] += 1
        assert cover.max() <= 1
