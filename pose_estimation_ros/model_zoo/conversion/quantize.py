"""Quantisation of .onnx models to int8, calibrated with images, and the accuracy lost."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, ByteArray
from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.letterbox import Letterbox
from pose_estimation_ros.engine.oks import AREA_OF_BOX, oks
from pose_estimation_ros.engine.pose.one_stage import OneStagePose
from pose_estimation_ros.engine.pose.pose_model import pose_model
from pose_estimation_ros.engine.pose.top_down import TopDownPose
from pose_estimation_ros.engine.preprocessing import IMAGENET, ImageInput
from pose_estimation_ros.engine.runtimes import Runtime, load_runtime
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError, RuntimeMissingError
from pose_estimation_ros.io.atomic_file import atomic_write, check_disk_space
from pose_estimation_ros.model_zoo.conversion.channel_padding import pad_depthwise_channels
from pose_estimation_ros.model_zoo.conversion.exporters import tool_versions
from pose_estimation_ros.model_zoo.provenance import sha256_of, write_provenance
from pose_estimation_ros.settings import DetectorOptions

if TYPE_CHECKING:
    import onnx

_log = logging.getLogger(__name__)

MAX_LOSS = 0.05
"""Largest loss that is accepted: for a pose model 1 - OKS of its joints against the float model's,
for a detector the share of the float model's persons that it misses (IoU 0.5)."""
FEWEST_IMAGES = 8
MOST_IMAGES = 100
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_SIDE = 320
_SCORE = 0.3


def read_images(folder: Path) -> list[ByteArray]:
    """Up to MOST_IMAGES images of a folder, BGR.

    Raises:
        ModelError: there are too few to calibrate with.
    """
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in _SUFFIXES)
    images = [cv2.imread(str(path)) for path in paths[:MOST_IMAGES]]
    whole: list[ByteArray] = [image.astype(np.uint8) for image in images if image is not None]
    if len(whole) < FEWEST_IMAGES:
        raise ModelError(
            f"{folder} has {len(whole)} readable images: calibration needs at least "
            f"{FEWEST_IMAGES}, of persons as the camera will see them"
        )
    return whole


def quantise(source: Path, target: Path, images: Path) -> float:
    """Writes an int8 version of a .onnx model; returns its loss, as in MAX_LOSS.

    Only the convolutions become int8: a soft-argmax over int8 probabilities would lose the joints.

    Raises:
        ModelError: too few images, the folder cannot be written, or the loss is too large.
        RuntimeMissingError: onnx is not installed.
    """
    pictures = read_images(images)
    check_disk_space(target, source.stat().st_size)
    runtime = load_runtime(source, "onnxruntime")
    spec = ImageInput.of(runtime)
    pose = runtime.metadata.get("task") == "pose"
    whole = _model_of_whole_images(runtime, pose)
    crop = Letterbox(spec.height or _SIDE, spec.width or _SIDE)

    def prepare(picture: ByteArray) -> AnyArray:
        if whole is not None:
            return whole.prepare(Image(picture)).tensor
        crop.apply(picture)
        return spec.tensor(crop.canvas[None], "bgr", IMAGENET)

    with atomic_write(target) as temporary:
        write_int8(source, temporary, map(prepare, pictures), float_outputs=not pose)
        measure = _people_loss if isinstance(whole, OneStagePose) else _pose_loss
        loss = (measure if pose else _detector_loss)(source, temporary, pictures)
        if not loss <= MAX_LOSS:
            raise ModelError(
                f"int8 costs {source.name} {loss:.3f} of its accuracy on these images, more than "
                f"{MAX_LOSS}: it was not kept; give more or better images, or stay with float"
            )
    write_provenance(
        target,
        source=source.name,
        source_sha256=sha256_of(source),
        accuracy_lost=float(f"{loss:.3g}"),
        calibration_images=len(pictures),
        tools=tool_versions(),
    )
    return loss


def _model_of_whole_images(runtime: Runtime, pose: bool) -> NetworkDetector | OneStagePose | None:
    """The model where it looks at whole images; None where it looks at crops."""
    if not pose:
        return NetworkDetector(runtime)
    model = pose_model(runtime)
    return model if isinstance(model, OneStagePose) else None


def write_int8(
    source: Path, target: Path, inputs: Iterator[AnyArray], float_outputs: bool = False
) -> None:
    """Writes a .onnx model with its convolutions in int8, its metadata kept.

    Args:
        inputs: the model's input for each calibration image, of one image each.
        float_outputs: whether the last convolutions stay in float. In int8 the sides of a large
            box have 256 places in all, 20 px apart.

    Raises:
        ModelError: the quantiser cannot handle the model.
        RuntimeMissingError: onnx is not installed.
    """
    if importlib.util.find_spec("onnx") is None:
        raise RuntimeMissingError(
            "quantising needs onnx, which is not installed: pip install onnx"
        )
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    name = str(onnx.load(str(source)).graph.input[0].name)

    class Reader:
        """Gives the calibration its images."""

        def get_next(self) -> dict[str, AnyArray] | None:
            tensor = next(inputs, None)
            return None if tensor is None else {name: tensor}

    reader: Any = Reader()
    logging.disable(logging.WARNING)  # the quantiser's advice on the root logger
    try:
        with tempfile.TemporaryDirectory() as folder:
            folded = Path(folder) / source.name
            model = fold(source, folded)
            if pad_depthwise_channels(model):
                onnx.save(model, str(folded))
            quantize_static(
                str(folded),
                str(target),
                reader,
                quant_format=QuantFormat.QDQ,
                # With them the half of the scale below 0 is not wasted on what they cut off.
                op_types_to_quantize=["Conv", "Relu"],
                # One scale per channel is possible from opset 13 on.
                per_channel=_opset(source) >= 13,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_last_convolutions(model) if float_outputs else [],
            )
    except Exception as error:  # the quantiser may throw anything
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{source} cannot be quantised: {reason}") from error
    finally:
        logging.disable(logging.NOTSET)


def fold(source: Path, target: Path) -> onnx.ModelProto:
    """Writes a .onnx model with its norms and weights in float16 folded into the convolutions.

    Returns:
        What was written.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return onnx.load(str(target))


def _last_convolutions(model: onnx.ModelProto) -> list[str]:
    """The names of the convolutions from which an output is computed without a further one."""
    makers = {output: node for node in model.graph.node for output in node.output}
    found, seen = list[str](), set[str]()
    ahead = [output.name for output in model.graph.output]
    while ahead:
        value = ahead.pop()
        node = makers.get(value)
        if node is None or value in seen:
            continue
        seen.add(value)
        if node.op_type != "Conv":
            ahead += node.input
        elif node.name:  # it is by its name that the quantiser knows it
            found.append(node.name)
    return found


def _opset(path: Path) -> int:
    """The version of the standard operators that a .onnx file uses."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    return max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def _pose_loss(source: Path, quantised: Path, pictures: list[ByteArray]) -> float:
    """1 - the mean OKS of the joints, each image taken for one person."""
    one, two = (TopDownPose(load_runtime(path, "onnxruntime")) for path in (source, quantised))
    joints, sigmas = len(one.skeleton.joints), one.skeleton.sigmas
    similarity = []
    for picture in pictures:
        height, width = picture.shape[:2]
        box = np.array([[0, 0, width, height]], np.float32)
        image = Image(picture)
        a, b = one.estimate(image, box).xy, two.estimate(image, box).xy
        area = width * height * AREA_OF_BOX
        similarity.append(float(oks(b, a, np.ones((1, joints)), area, sigmas)[0]))
    return 1.0 - float(np.mean(similarity))


def _people_loss(source: Path, quantised: Path, pictures: list[ByteArray]) -> float:
    """1 - the mean OKS of the joints of all people whom the float model finds, missed ones 0."""
    one, two = (pose_model(load_runtime(path, "onnxruntime")) for path in (source, quantised))
    assert isinstance(one, OneStagePose)
    similarity: list[float] = []
    for picture in pictures:
        people, joints = one.people(Image(picture), DetectorOptions(_SCORE))
        if len(people) == 0:
            continue
        again = two.estimate(Image(picture), people.boxes)
        area = AREA_OF_BOX * (people.boxes[:, 2:] - people.boxes[:, :2]).prod(axis=1)
        seen = np.ones(joints.scores.shape)
        alike = oks(again.xy, joints.xy, seen, area, one.skeleton.sigmas)
        similarity += np.where(again.scores.max(axis=1) > 0, alike, 0.0).tolist()
    if not similarity:
        raise ModelError("the float model finds nobody in these images: give images of persons")
    return 1.0 - float(np.mean(similarity))


def _detector_loss(source: Path, quantised: Path, pictures: list[ByteArray]) -> float:
    """The share of the float model's persons that the quantised one misses."""
    one, two = (NetworkDetector(load_runtime(path, "onnxruntime")) for path in (source, quantised))
    options, nothing = DetectorOptions(_SCORE), np.zeros((0, 4), np.float32)
    found = missed = 0
    for picture in pictures:
        image = Image(picture)
        truth = one.detect(image, options, nothing).boxes
        seen = two.detect(image, options, nothing).boxes
        found += len(truth)
        if len(truth):
            best = box_iou(truth, seen).max(axis=1) if len(seen) else np.zeros(len(truth))
            missed += int((best < 0.5).sum())
    if found == 0:
        raise ModelError("the float model finds nobody in these images: give images of persons")
    return missed / found
