"""What the outputs of a detector mean: by their shapes, the metadata, and what is asked for."""

from __future__ import annotations

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
    decode_yolov8_rows,
    decode_yolox,
)
from pose_estimation_ros.engine.detection.person_classes import class_names, person_classes
from pose_estimation_ros.engine.letterbox import Anchor
from pose_estimation_ros.engine.pose.one_stage_heads import one_stage_head
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
_COCO_CLASSES = 80
_BEYOND_ONE = 0.1  # by how much rounding may carry a score over 1

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
    if asked and (not decoder or "kpt_shape" in metadata):
        # Joints of a pose model have places where a detector has scores of classes.
        one_stage_head(outputs, height, width, metadata, source, asked)
    heads = _possible_heads(
        outputs, height, width, input_dtype, class_names(metadata), classes, decoder
    )
    if decoder:
        named = [head for head in heads if head.name == decoder]
        if not named:
            fitting = ", ".join(head.name for head in heads) or "none"
            raise ModelError(f"{what}, which do not fit --decoder {decoder}; what fits: {fitting}")
        heads = named[:1]
    if not heads:
        heads = _head_of_pose_model(outputs, height, width, metadata, source, asked)
    if not heads:
        raise ModelError(
            f"{what} for a canvas of {width}x{height}: not a person detector of a known kind "
            "(YOLOv5, v6, v8, v11, YOLOX, RTMDet, PicoDet, or boxes (1, a, 4) with scores (1, a))"
            "; see --decoder"
        )
    for head in heads:
        try:
            head.decode(outputs, height, width)
        except IndexError as error:
            raise ModelError(
                f"{what}, which have no class {max(classes)}: name others with --classes"
            ) from error
    return heads


def _head_of_pose_model(
    outputs: Sequence[AnyArray],
    height: int,
    width: int,
    metadata: Mapping[str, str],
    source: str,
    asked: Sequence[int],
) -> list[DetectorHead]:
    """The boxes of a one-stage pose model, which finds people like a detector."""
    head = one_stage_head(outputs, height, width, metadata, source, asked)
    if head is None:
        return []
    read, feeding = head.decode, head.feeding

    def decode(outputs: Sequence[AnyArray], height: int, width: int) -> RawDetections:
        return RawDetections(*read(outputs, height, width)[:2])

    return [DetectorHead(head.name, decode, feeding.norm, feeding.anchor, feeding.step)]


def _possible_heads(
    outputs: Sequence[AnyArray],
    height: int,
    width: int,
    input_dtype: np.dtype,
    names: Mapping[int, str],
    classes: tuple[int, ...],
    decoder: str,
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
        return _heads_of_one(outputs[0], height, width, names, classes, decoder)
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
    decoder: str,
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
        if rows == cells and columns >= 5:
            heads += _heads_of_cells(output, height, width, strides, names, classes, decoder)
    # What was selected has whole numbers for classes; other scores hardly ever are.
    if columns == 6 and bool((output[0, :, 5] == np.round(output[0, :, 5])).all()):
        heads.insert(0, DetectorHead("nms", partial(decode_selected, classes=classes)))
    return heads


def _heads_of_cells(
    output: AnyArray,
    height: int,
    width: int,
    strides: Sequence[int],
    names: Mapping[int, str],
    classes: tuple[int, ...],
    decoder: str,
) -> list[DetectorHead]:
    """Of (1, cells, columns): YOLOX, YOLOv6, or YOLOv8 with its sides exchanged."""
    columns, step = output.shape[2], max(strides)
    scores = output[0, :, 4:]
    if scores.min() < -_BEYOND_ONE or scores.max() > 1 + _BEYOND_ONE:
        return []  # such as NanoDet's, whose columns are distributions
    # An objectness comes before the classes, or does not.
    no_objectness = columns - 4 == (len(names) or _COCO_CLASSES)
    if columns < 6 or decoder == "yolov8" or (no_objectness and decoder in ("", "auto")):
        unit = bool(np.abs(output[0, :, :2]).max() <= _UNIT_AT_MOST)
        exchanged = partial(decode_yolov8_rows, classes=classes, unit=unit)
        return [DetectorHead("yolov8", exchanged, step=step)]
    if bool((output[0, :, 4] == 1).all()):  # YOLOv6 keeps the column and fills it
        return [DetectorHead("yolov6", partial(decode_yolov5, classes=classes), step=step)]
    # Offsets from the cells' corners are within a few cells; centres span the canvas.
    if np.abs(output[0, :, :2]).max() > max(height, width) / 2:
        decode: Decode = partial(decode_yolov5, classes=classes)
    else:
        decode = partial(decode_yolox, classes=classes, strides=strides)
    return [DetectorHead("yolox", decode, RAW_BGR, "top_left", step)]
