"""Which one-stage pose model has such outputs: by their shapes and the metadata."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.detection.canvas_network import Feeding
from pose_estimation_ros.engine.detection.decoders import count_cells
from pose_estimation_ros.engine.detection.person_classes import class_names, person_classes
from pose_estimation_ros.engine.pose.one_stage_decoders import (
    Layout,
    RawPeople,
    decode_anchors,
    decode_boxes_and_joints,
    decode_cells,
    decode_counted,
    decode_flat,
    decode_movenet_multipose,
    decode_selected,
)
from pose_estimation_ros.engine.preprocessing import RAW_BGR, RAW_RGB, UNIT
from pose_estimation_ros.engine.skeletons import SKELETONS
from pose_estimation_ros.errors import ModelError

# The grids of usual exports, and of those with a finer (P2) or coarser (P6) one.
_STRIDE_SETS = ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64))
_JOINT_COUNTS = {len(skeleton.joints) for skeleton in SKELETONS.values()}
_KEYPOINT_SHAPE = re.compile(r"\s*[\[(]\s*(\d{1,4})\s*,\s*([23])\s*[\])]\s*")
_MOST_MOVENET = 32  # people of a MultiPose model; published ones have 6

DecodePeople = Callable[[Sequence[AnyArray], int, int], RawPeople]

_ULTRALYTICS = Feeding(UNIT, "center", 32)
_MEGVII = Feeding(RAW_BGR, "top_left", 32)
_SUPER_GRADIENTS = Feeding(UNIT, "top_left", 32)
_MOVENET = Feeding(RAW_RGB, "center", 32)


@dataclass(frozen=True, slots=True)
class OneStageHead:
    """How a one-stage model is fed and read; `selected` where the graph has suppressed already."""

    name: str
    decode: DecodePeople
    joints: int
    feeding: Feeding
    selected: bool = False


def one_stage_head(
    outputs: Sequence[AnyArray],
    height: int,
    width: int,
    metadata: Mapping[str, str],
    source: str,
    asked: Sequence[int] = (),
) -> OneStageHead | None:
    """What these outputs for a canvas of (height, width) px mean; None: no one-stage model's.

    `asked` are the classes that the user says are persons.

    Raises:
        ModelError: the model finds something else than people, or has no class that is asked
            for; `source` names it.
    """
    head = _of_several(outputs)
    if head is not None:
        _check_classes(asked, 1, source)
        return head
    if len(outputs) != 1:
        return None
    shape = outputs[0].shape
    if len(shape) == 2 and _joints_in(shape[1] - 6):
        _check_classes(asked, 1, source)
        joints = _joints_in(shape[1] - 6)
        return OneStageHead("yolo_nas_pose_flat", decode_flat, joints, _SUPER_GRADIENTS, True)
    if len(shape) != 3 or shape[0] != 1:
        return None
    return _of_rows(shape[1], shape[2], height, width, metadata, source, asked)


def _of_several(outputs: Sequence[AnyArray]) -> OneStageHead | None:
    shapes = [tuple(output.shape) for output in outputs]
    joints = [shape for shape in shapes if len(shape) == 4 and shape[3] == 3]
    if len(joints) != 1:
        return None
    _, people, count, _ = joints[0]
    others = sorted((shape for shape in shapes if len(shape) != 4), key=_rank_first)
    if others == [(1, people, 5)]:
        return OneStageHead("rtmo", decode_boxes_and_joints, count, _MEGVII, True)
    counts = [one for one in outputs if one.shape == (1, 1) and one.dtype.kind in "iu"]
    if counts and others == [(1, 1), (1, people), (1, people, 4)]:
        return OneStageHead("yolo_nas_pose", decode_counted, count, _SUPER_GRADIENTS, True)
    return None


def _rank_first(shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return len(shape), shape


def _of_rows(
    rows: int,
    columns: int,
    height: int,
    width: int,
    metadata: Mapping[str, str],
    source: str,
    asked: Sequence[int],
) -> OneStageHead | None:
    """Of one output (1, rows, columns)."""
    for strides in _STRIDE_SETS:
        cells, feeding = count_cells(height, width, strides), Feeding(UNIT, "center", max(strides))
        for numbers, transposed in ((rows, False), (columns, True)):
            if (columns, rows)[transposed] != cells:
                continue
            layout = _layout(numbers - 4, metadata, source, asked)
            if layout is not None:
                decode = partial(decode_cells, layout=layout, rows=transposed)
                return OneStageHead("yolov8_pose", decode, layout.joints, feeding)
        layout = _layout(columns - 5, metadata, source, asked) if rows == 3 * cells else None
        if layout is not None:
            decode = partial(decode_anchors, layout=layout)
            return OneStageHead("yolov7_pose", decode, layout.joints, feeding)
    joints = _joints_in(columns - 5)
    if joints and rows <= _MOST_MOVENET:
        _check_classes(asked, 1, source)
        return OneStageHead("movenet_multipose", decode_movenet_multipose, joints, _MOVENET, True)
    # The class is a number, however many there are.
    layout = _layout(columns - 5, metadata, source, asked, one_number=True)
    if layout is not None:
        decode = partial(decode_selected, layout=layout)
        return OneStageHead("pose_nms", decode, layout.joints, _ULTRALYTICS, True)
    return None


def _joints_in(numbers: int) -> int:
    """How many joints of x, y, score so many numbers are; 0 where no skeleton has as many."""
    joints, rest = divmod(numbers, 3)
    return joints if rest == 0 and joints in _JOINT_COUNTS else 0


def _check_classes(asked: Sequence[int], classes: int, source: str) -> None:
    """Raises ModelError where a class is asked for that the model does not have."""
    if max(asked, default=0) >= classes:
        has = "only class 0" if classes == 1 else f"classes 0..{classes - 1}"
        raise ModelError(f"{source} has {has}, no class {max(asked)}: name others with --classes")


def _layout(
    numbers: int,
    metadata: Mapping[str, str],
    source: str,
    asked: Sequence[int],
    one_number: bool = False,
) -> Layout | None:
    """What a row's numbers after the box are: classes and joints; None: something else.

    By the metadata as ultralytics writes them, else one class and a known skeleton's joints with
    scores.
    """
    written = _KEYPOINT_SHAPE.fullmatch(metadata.get("kpt_shape", ""))
    if not written:
        joints = _joints_in(numbers - 1)
        # As many numbers as the file names classes: a detector's scores.
        if not joints or numbers == len(class_names(metadata)):
            return None
        if not one_number:
            _check_classes(asked, 1, source)
        return Layout(joints, persons=tuple(asked) or (0,))
    joints, values = int(written[1]), int(written[2])
    named = len(class_names(metadata))
    classes = 1 if one_number else named or numbers - joints * values
    if classes < 1 or numbers != classes + joints * values:
        return None
    if named or not one_number:
        _check_classes(asked, named or classes, source)
    persons = person_classes(metadata, asked, source)
    known = asked or max(persons) < (named or classes)
    return Layout(joints, values, classes, persons) if known else None
