"""Every kind of detector output is recognised and gives the person."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.detection.decoders import STRIDES
from pose_estimation_ros.engine.detection.heads import DetectorHead, detector_heads
from pose_estimation_ros.engine.detection.person_classes import person_classes
from pose_estimation_ros.engine.detection.suppression import suppress
from pose_estimation_ros.engine.preprocessing import (
    IMAGENET,
    IMAGENET_BGR,
    RAW_BGR,
    UNIT,
    Normalisation,
)
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import DetectorOptions
from pose_estimation_ros.settings.parameters import DECODERS

SIDE = 320
UINT8 = np.dtype(np.uint8)
CELLS = sum((SIDE // stride) ** 2 for stride in STRIDES)
PERSON = np.array([100.0, 60.0, 180.0, 300.0], np.float32)  # x1 y1 x2 y2, canvas px
CENTRE, SIZE = (PERSON[:2] + PERSON[2:]) / 2, PERSON[2:] - PERSON[:2]


def anchors(grids: Sequence[int] = STRIDES) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the cells and strides, in YOLOX's order."""
    corners, strides = [], []
    for stride in grids:
        side = SIDE // stride
        y, x = np.mgrid[:side, :side]
        corners.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full(side * side, stride))
    return np.concatenate(corners), np.concatenate(strides)


def v8(unit: bool = False, grids: Sequence[int] = STRIDES) -> list[AnyArray]:
    corners, strides = anchors(grids)
    raw = np.zeros((1, 84, len(corners)), np.float32)
    raw[0, :2] = ((corners + 0.5) * strides[:, None]).T
    raw[0, 2:4] = 10
    raw[0, :2, 700], raw[0, 2:4, 700], raw[0, 4, 700] = CENTRE, SIZE, 0.9
    raw[0, :2, 800], raw[0, 2:4, 800], raw[0, 20, 800] = CENTRE, SIZE, 0.95  # class 16
    if unit:
        raw[0, :4] /= SIDE
    return [raw]


def v5(unit: bool = False, grids: Sequence[int] = STRIDES, classes: int = 80) -> list[AnyArray]:
    corners, strides = anchors(grids)
    raw = np.full((1, 3 * len(corners), 5 + classes), 1e-4, np.float32)
    raw[0, :, :2] = np.tile((corners + 0.5) * strides[:, None], (3, 1))
    raw[0, 50, :4], raw[0, 50, 4:6] = [*CENTRE, *SIZE], (0.95, 0.95)
    if unit:
        raw[0, :, :4] /= SIDE
    return [raw]


def yolox(decoded: bool = False) -> list[AnyArray]:
    corners, strides = anchors()
    raw = np.zeros((1, CELLS, 85), np.float32)
    cell = 1700
    raw[0, cell, :2] = CENTRE / strides[cell] - corners[cell]
    raw[0, cell, 2:4] = np.log(SIZE / strides[cell])
    if decoded:
        raw[0, :, :2] = (raw[0, :, :2] + corners) * strides[:, None]
        raw[0, :, 2:4] = np.exp(raw[0, :, 2:4]) * strides[:, None]
    raw[0, cell, 4:6] = (0.95, 0.95)
    return [raw]


def yolov6() -> list[AnyArray]:
    (raw,) = yolox(decoded=True)
    raw[0, :, 4], raw[0, 1700, 5] = 1, 0.9
    return [raw]


def rows() -> list[AnyArray]:
    """YOLOv8 with its sides exchanged."""
    return [v8()[0].transpose(0, 2, 1)]


def nanodet() -> list[AnyArray]:
    """80 scores, then four distributions of 8, as logits."""
    raw = np.zeros((1, CELLS, 80 + 32), np.float32)
    raw[..., 80:] = np.random.default_rng(0).normal(0, 3, (CELLS, 32))
    return [raw]


def queries() -> list[AnyArray]:
    """RT-DETR of two classes: centre and size in parts of the canvas, and two scores."""
    raw = np.random.default_rng(0).uniform(0, 1, (1, 300, 6)).astype(np.float32)
    return [raw]


def selected(unit: bool = False) -> list[AnyArray]:
    raw = np.zeros((1, 300, 6), np.float32)
    raw[0, 0] = [*PERSON, 0.9, 0]
    raw[0, 1] = [10, 10, 50, 50, 0.99, 16]
    raw[..., :4] /= SIDE if unit else 1
    return [raw]


def labelled() -> list[AnyArray]:
    boxes = np.array([[[*PERSON, 0.9], [10, 10, 50, 50, 0.99]]], np.float32)
    return [boxes, np.array([[0, 16]], np.int64)]


def paddle() -> list[AnyArray]:
    rows = [[0, 0.9, *PERSON], [16, 0.99, 10, 10, 50, 50]]
    return [np.array(rows, np.float32), np.array([2], np.int32)]


def pair() -> list[AnyArray]:
    boxes = np.zeros((1, CELLS, 4), np.float32)
    scores = np.zeros((1, CELLS), np.float32)
    boxes[0, 5], scores[0, 5] = PERSON, 0.9
    return [boxes, scores]


P2, P6 = (4, 8, 16, 32), (8, 16, 32, 64)


def _heads(
    outputs: list[AnyArray], dtype: type = np.uint8, metadata: dict | None = None, **asked: object
) -> list[DetectorHead]:
    return detector_heads(
        outputs, SIDE, SIDE, np.dtype(dtype), metadata or {}, "the model", **asked
    )


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [
        (v8(), "yolov8"),
        (v8(unit=True), "yolov8"),
        (v8(grids=P2), "yolov8"),
        (v8(grids=P6), "yolov8"),
        (v8(unit=True, grids=P6), "yolov8"),
        (v5(), "yolov5"),
        (v5(unit=True), "yolov5"),
        (v5(grids=P6), "yolov5"),
        (v5(grids=P6, classes=1), "yolov5"),
        (v5(classes=1), "yolov5"),
        (yolox(), "yolox"),
        (yolox(decoded=True), "yolox"),
        (yolov6(), "yolov6"),
        (rows(), "yolov8"),
        (selected(), "nms"),
        (selected(unit=True), "nms"),
        (labelled(), "yolox_nms"),
        (labelled()[::-1], "yolox_nms"),
        (pair(), "boxes"),
        (pair()[::-1], "boxes"),
        (paddle(), "paddle"),
        (paddle()[::-1], "paddle"),
    ],
)
def test_each_kind_is_recognised_and_gives_the_person(outputs: list[AnyArray], kind: str) -> None:
    head = _heads(outputs)[0]
    assert head.name == kind
    boxes, scores = suppress(*head.decode(outputs, SIDE, SIDE), DetectorOptions(0.3))
    assert len(boxes) == 1, "only the person, not the other class"
    np.testing.assert_allclose(boxes[0], PERSON, atol=0.01)
    assert scores[0] == pytest.approx(0.9, abs=0.003)


def test_grids_with_a_coarser_one_need_a_canvas_that_it_fits() -> None:
    assert [_heads(v8(grids=grids))[0].step for grids in (STRIDES, P2, P6)] == [32, 32, 64]


@pytest.mark.parametrize("shape", [(1, 1000), (1, 17, 64, 48), (1, 84, 77)])
def test_outputs_of_something_else_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="not a person detector of a known kind"):
        _heads([np.zeros(shape, np.float32)])


@pytest.mark.parametrize("make", [nanodet, queries])
def test_what_only_has_the_shape_of_a_known_kind_is_refused(
    make: Callable[[], list[AnyArray]],
) -> None:
    with pytest.raises(ModelError, match="not a person detector of a known kind"):
        _heads(make())


def test_the_number_of_names_tells_whether_there_is_an_objectness() -> None:
    raw = np.zeros((1, CELLS, 6), np.float32)
    raw[..., 5] = 0.01
    for names, kind in ((["head", "person"], "yolov8"), (["person"], "yolox"), ([], "yolox")):
        assert _heads([raw], metadata={"names": str(names)})[0].name == kind
    assert _heads([raw], decoder="yolov8")[0].name == "yolov8"
    assert _heads(rows(), decoder="yolox")[0].name == "yolox"


@pytest.mark.parametrize(
    ("outputs", "dtype", "fed"),
    [
        (v8(), np.float32, [(UNIT, "center")]),
        (yolov6(), np.float32, [(UNIT, "center")]),
        (yolox(), np.float32, [(RAW_BGR, "top_left")]),
        (yolox(decoded=True), np.float32, [(RAW_BGR, "top_left")]),
        (labelled(), np.uint8, [(RAW_BGR, "top_left")]),
        (labelled(), np.float32, [(RAW_BGR, "top_left"), (IMAGENET_BGR, "top_left")]),  # RTMDet
        (pair(), np.uint8, [(UNIT, "center")]),
        (pair(), np.float32, [(IMAGENET, "stretch"), (UNIT, "center")]),  # PicoDet
        (paddle(), np.float32, [(IMAGENET, "stretch"), (UNIT, "stretch")]),
    ],
)
def test_each_kind_gets_its_image_as_it_was_trained(
    outputs: list[AnyArray], dtype: type, fed: list[tuple[Normalisation, str]]
) -> None:
    assert [(head.norm, head.anchor) for head in _heads(outputs, dtype)] == fed


def test_the_user_decides_what_the_file_leaves_open() -> None:
    (head,) = _heads(labelled(), np.float32, decoder="rtmdet")
    assert head.norm == IMAGENET_BGR
    with pytest.raises(ModelError, match="do not fit --decoder yolov5; what fits: yolox_nms, rtm"):
        _heads(labelled(), np.float32, decoder="yolov5")


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ("", (0,)),
        ("{0: 'person', 1: 'bicycle'}", (0,)),
        ("{0: 'head', 1: 'person'}", (1,)),
        ("{0: 'car', 1: 'Pedestrian', 2: 'People'}", (1, 2)),
        ("['helmet', 'person']", (1,)),
        ('{"0": "head", "1": "person"}', (1,)),
        ("head, person", (1,)),
        ("head\nface\nPerson\n", (2,)),
        ("{0: 'football player'}", (0,)),
        ("{0: 'player'}", (0,)),
        ("{0: 'item'}", (0,)),
        ("no dictionary", (0,)),
        ("__import__('os')", (0,)),
        ("{'a': 'person'}", (0,)),
    ],
)
def test_persons_are_the_class_of_that_name(names: str, classes: tuple[int, ...]) -> None:
    assert person_classes({"names": names}, (), "the model") == classes
    assert person_classes({"names": names}, (7,), "the model") == (7,)


@pytest.mark.parametrize(
    "names", ["{0: 'head', 1: 'helmet'}", "{0: 'face'}", "{0: 'Hand '}", "{3: 'car'}"]
)
def test_what_finds_no_persons_is_refused(names: str) -> None:
    with pytest.raises(ModelError, match=r"none of these is called person; say .* --classes"):
        person_classes({"names": names}, (), "the model")


@pytest.mark.parametrize("make", [v8, v5, selected, labelled, paddle])
def test_another_class_than_the_first(make: Callable[[], list[AnyArray]]) -> None:
    outputs = make()
    head = _heads(outputs, metadata={"names": str({16: "person", 0: "dog"})})[0]
    boxes, scores = suppress(*head.decode(outputs, SIDE, SIDE), DetectorOptions(0.3))
    if make is v5:
        assert len(boxes) == 0, "nothing but the first class is there"
    else:
        assert len(boxes) == 1 and scores[0] > 0.94


def test_classes_that_are_not_there_and_turned_boxes_are_refused() -> None:
    with pytest.raises(ModelError, match="no class 90: name others with --classes"):
        _heads(v8(), asked=(90,))
    with pytest.raises(ModelError, match="turned boxes"):
        _heads(v8(), metadata={"task": "obb"})


def test_the_parameter_offers_what_there_is() -> None:
    every = [v8(), v5(), yolov6(), yolox(), selected(), labelled(), pair(), paddle()]
    names = {head.name for outputs in every for head in _heads(outputs, np.float32)}
    assert {"auto", *names} == set(DECODERS)
