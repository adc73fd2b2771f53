"""What the outputs of a detector mean: by their shapes, the metadata, and what is asked for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.detection.decoders import (
    STRIDES,
    RawDetections,
    count_cells,
    decode_labelled,
    decode_paddle,
    decode_pair,
    decode_selected,
    decode_yolov5,
    decode_yolov8,
    decode_yolox,
)
from pose_estimation_ros.engine.letterbox import Anchor
from pose_estimation_ros.engine.preprocessing import (
    IMAGENET,
    IMAGENET_BGR,
    RAW_BGR,
    UNIT,
    Normalisation,
)
from pose_estimation_ros.errors import ModelError

# The grids of usual exports, and of those with a finer (P2) or coarser (P6) one.
_STRIDE_SETS = (STRIDES, (4, 8, 16, 32), (8, 16, 32, 64))
_UNIT_AT_MOST = 2  # canvases; centres in pixels are far beyond it
_PERSON_NAMES = {"person", "persons", "people", "pedestrian", "pedestrians", "human"}
_PARTS = ("head", "face", "hand", "foot", "helmet", "hat", "plate")

Decode = Callable[[Sequence[AnyArray], int, int], RawDetections]


@dataclass(frozen=True, slots=True)
class DetectorHead:
    """How a detector is fed and read.

    `decode` takes the outputs, and the canvas's height and width in px.

    `name` is what `decoder` calls it; `norm` and `anchor` are how its family is trained, which its
    files do not say; the canvas's sides are multiples of `step` px.
    """

    name: str
    decode: Decode
    norm: Normalisation = UNIT
    anchor: Anchor = "center"
    step: int = max(STRIDES)


def person_classes(
    metadata: Mapping[str, str], asked: Sequence[int], source: str
) -> tuple[int, ...]:
    """The numbers of the classes that are persons.

    Those asked for; else by the names in the metadata, as ultralytics writes them; else class 0.

    Raises:
        ModelError: the file names its classes, and none is a person's.
    """
    if asked:
        return tuple(asked)
    names = _class_names(metadata)
    found = tuple(
        number for number, name in names.items() if name.strip().lower() in _PERSON_NAMES
    )
    if found or not names:
        return found or (0,)
    if len(names) == 1 and not any(part in next(iter(names.values())).lower() for part in _PARTS):
        return tuple(names)
    listed = ", ".join(f"{number} {name}" for number, name in list(names.items())[:8])
    raise ModelError(
        f"{source} finds {listed}: none of these is called person; say which are, with --classes "
        "(parameter classes)"
    )


def _class_names(metadata: Mapping[str, str]) -> dict[int, str]:
    """Class names by number; empty where the metadata have none that can be read."""
    try:
        names = ast.literal_eval(metadata.get("names", ""))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        return {}
    return {key: str(name) for key, name in names.items() if isinstance(key, int)}


def detector_heads(
    outputs: Sequence[AnyArray],
    height: int,
    width: int,
    input_dtype: np.dtype,
    metadata: Mapping[str, str],
    source: str,
    decoder: str = "",
    asked: Sequence[int] = (),
) -> list[DetectorHead]:
    """What these outputs for a grey canvas of (height, width) px can mean, the likeliest first.

    By their shapes; where exports of one shape differ in their unit, by their values too.
    `decoder` and `asked` are the decoder and the classes that the user names; empty: told by the
    file.

    Raises:
        ModelError: no known kind has such outputs; `source` names the model in the message.
    """
    shapes = [tuple(output.shape) for output in outputs]
    what = f"{source} has outputs of shapes {[list(shape) for shape in shapes]}"
    if metadata.get("task") == "obb":
        raise ModelError(
            f"{source} finds turned boxes (OBB), which no --decoder reads: "
            "use a detector of upright ones"
        )
    classes = person_classes(metadata, asked, source)
    heads = _possible_heads(outputs, height, width, input_dtype, _class_names(metadata), classes)
    if decoder:
        named = [head for head in heads if head.name == decoder]
        if not named:
            fitting = ", ".join(head.name for head in heads) or "none"
            raise ModelError(f"{what}, which do not fit --decoder {decoder}; what fits: {fitting}")
        heads = named[:1]
    if not heads:
        raise ModelError(
            f"{what} for a canvas of {width}x{height}: not a person detector of a known kind "
            "(YOLOv5, v8, v11, YOLOX, RTMDet, PicoDet, or boxes (1, a, 4) with scores (1, a)); "
            "--decoder and --classes help only where one fits"
        )
    for head in heads:
        try:
            head.decode(outputs, height, width)
        except IndexError as error:
            raise ModelError(
                f"{what}, which have no class {max(classes)}: name others with --classes"
            ) from error
    return heads


def _possible_heads(
    outputs: Sequence[AnyArray],
    height: int,
    width: int,
    input_dtype: np.dtype,
    names: Mapping[int, str],
    classes: tuple[int, ...],
) -> list[DetectorHead]:
    shapes = [tuple(output.shape) for output in outputs]
    if any(len(shape) == 2 and shape[1] == 6 for shape in shapes):
        decode = partial(decode_paddle, classes=classes)
        return [
            DetectorHead("paddle", decode, IMAGENET, "stretch"),
            DetectorHead("paddle_unit", decode, UNIT, "stretch"),
        ]
    if len(shapes) == 2:
        heads = _heads_of_two(shapes, input_dtype, classes)
        if heads:
            return heads
    if len(shapes) >= 1 and len(shapes[0]) == 3:
        return _heads_of_one(outputs[0], height, width, names, classes)
    return []


def _heads_of_two(
    shapes: Sequence[tuple[int, ...]], input_dtype: np.dtype, classes: tuple[int, ...]
) -> list[DetectorHead]:
    for boxes, other in (shapes, shapes[::-1]):
        if len(boxes) != 3:
            continue
        if boxes[2] == 4 and int(np.prod(other)) == boxes[1]:
            pair = DetectorHead("boxes", partial(decode_pair, classes=classes))
            if input_dtype == np.uint8:
                return [pair]
            return [DetectorHead("picodet", pair.decode, IMAGENET, "stretch"), pair]
        if boxes[2] == 5 and other == boxes[:2]:
            decode = partial(decode_labelled, classes=classes)
            yolox = DetectorHead("yolox_nms", decode, RAW_BGR, "top_left")
            if input_dtype == np.uint8:
                return [yolox]
            return [yolox, DetectorHead("rtmdet", decode, IMAGENET_BGR, "top_left")]
    return []


def _heads_of_one(
    output: AnyArray,
    height: int,
    width: int,
    names: Mapping[int, str],
    classes: tuple[int, ...],
) -> list[DetectorHead]:
    _, rows, columns = output.shape
    heads: list[DetectorHead] = []
    for strides in _STRIDE_SETS:
        cells, step = count_cells(height, width, strides), max(strides)
        if columns == cells and rows >= 5:
            unit = bool(np.abs(output[0, :2]).max() <= _UNIT_AT_MOST)
            decode: Decode = partial(decode_yolov8, classes=classes, unit=unit)
            heads.append(DetectorHead("yolov8", decode, step=step))
        if rows == 3 * cells and columns >= 6:
            unit = bool(np.abs(output[0, :, :2]).max() <= _UNIT_AT_MOST)
            decode = partial(decode_yolov5, classes=classes, unit=unit)
            heads.append(DetectorHead("yolov5", decode, step=step))
        if rows == cells and columns >= 6:
            # Offsets from the cells' corners are within a few cells; centres span the canvas.
            if np.abs(output[0, :, :2]).max() > max(height, width) / 2:
                decode = partial(decode_yolov5, classes=classes)
            else:
                decode = partial(decode_yolox, classes=classes, strides=strides)
            heads.append(DetectorHead("yolox", decode, RAW_BGR, "top_left", step))
    # What was selected has whole numbers for classes; a cell's score is hardly ever one.
    whole = columns == 6 and bool((output[0, :, 5] == np.round(output[0, :, 5])).all())
    if columns == 6 and (whole or not heads):
        heads.insert(0, DetectorHead("nms", partial(decode_selected, classes=classes)))
    return heads
