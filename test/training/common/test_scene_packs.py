"""Images with labels beside them become pictures to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.common.scene_packs import labelled_folder


def test_boxes_of_people_are_read_as_yolo_writes_them(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    (tmp_path / "images" / "000000000036.jpg").write_bytes(b"a picture")
    (tmp_path / "images" / "000000000049.png").write_bytes(b"one of nobody")
    lines = ["0 0.5 0.5 0.2 0.4 0.1 0.1 2", "16 0.1 0.1 0.1 0.1", "", "0 0.25 0.5 0.5 1"]
    (tmp_path / "labels" / "000000000036.txt").write_text("\n".join(lines))
    (tmp_path / "labels" / "000000000049.txt").write_text("16 0.1 0.1 0.1 0.1")
    full, empty = labelled_folder(tmp_path)
    assert (full.name, full.group, full.data) == ("000000000036.jpg", "coco", b"a picture")
    assert full.people is not None and empty.people is not None
    np.testing.assert_allclose(full.people, [[0.4, 0.3, 0.6, 0.7], [0, 0, 0.5, 1]], atol=1e-6)
    assert empty.people.shape == (0, 4)
