"""Export of trained networks to ONNX, weights stored as float16.

Both exports take uint8 RGB images (n, h, w, 3) and normalise inside the graph. Weights are
stored as float16 with a Cast to float32 behind each, which runtimes fold at load: half the size
on disk, float32 arithmetic.

    python -m training.export detector CHECKPOINT OUT.onnx
    python -m training.export pose CHECKPOINT OUT.onnx
    python -m training.export int8 MODEL.onnx OUT_int8.onnx
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from pose_estimation_ros.engine.networks.convnextpose import (
    ConvNeXtPose,
    ExportedPose,
    load_checkpoint,
    read_state,
)
from pose_estimation_ros.engine.pose.top_down import crop_enlarge
from pose_estimation_ros.model_zoo.conversion.quantize import write_int8
from training.common.data import DETECTOR_SIDE, ENLARGE, default_cache, held_out
from training.common.image_pool import Pool
from training.common.metrics import crop_of_stored, letterbox
from training.common.options import add_side
from training.detector.network import DEFAULT_THRESHOLD, ExportedDetector, PersonDetector
from training.pose.heads import ExportedHead, MultiHeadPose, read_heads

OPSET = 17
POSE_THRESHOLD = 0.2  # the default of min_pose_score: the least mean score of a person's joints
CALIBRATION_SCENES = 160  # of all scenes, evenly drawn, for the int8 detector
CALIBRATION_STEP = 90  # one training crop of this many calibrates the int8 pose network
# Elements. Small tensors save nothing, and those of the pose head move joints by 0.01 px.
SMALLEST_HALVED = 100_000
DETECTOR_SMALLEST_HALVED = 4_000


def halve_weights(model: onnx.ModelProto, smallest: int = SMALLEST_HALVED) -> onnx.ModelProto:
    """Store float32 initializers as float16 followed by a Cast to float32; in place.

    Tensors of fewer than ``smallest`` elements stay float32, and those with values that
    float16 cannot hold (beyond 65504).
    """
    casts, kept = [], []
    for initializer in model.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if (
            initializer.data_type != TensorProto.FLOAT
            or values.size < smallest
            or np.abs(values).max() > 6e4
        ):
            kept.append(initializer)
            continue
        half = numpy_helper.from_array(values.astype(np.float16), initializer.name + "_half")
        kept.append(half)
        casts.append(
            helper.make_node("Cast", [half.name], [initializer.name], to=TensorProto.FLOAT)
        )
    nodes = casts + list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    return model


def save(model: onnx.ModelProto, path: Path, metadata: dict[str, str]) -> None:
    """Check, add ``metadata`` and write, so that a reader never sees half a file."""
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(model.SerializeToString())
    temporary.replace(path)


def trace(
    module: torch.nn.Module,
    sample: torch.Tensor,
    outputs: list[str],
    dynamic: dict[str, dict[int, str]],
    path: Path,
) -> onnx.ModelProto:
    """Trace ``module`` to ONNX; ``path`` only names the temporary file's folder."""
    temporary = path.with_name(path.name + ".trace")
    try:
        torch.onnx.export(
            module.eval(),
            (sample,),
            str(temporary),
            input_names=["image"],
            output_names=outputs,
            dynamic_axes=dynamic,
            opset_version=OPSET,
            dynamo=False,
        )
        return onnx.load(str(temporary))
    finally:
        temporary.unlink(missing_ok=True)


def read_average(path: Path) -> dict[str, torch.Tensor]:
    """The averaged weights of a training checkpoint."""
    return torch.load(path, map_location="cpu", weights_only=True)["network"]


def read_pose(path: Path) -> ConvNeXtPose | MultiHeadPose:
    """The pose network of a training checkpoint, published or with a head of its own."""
    state = read_state(path)
    if any(name.startswith("heads.") for name in state):
        return read_heads(path)
    return load_checkpoint(path, 17)


def export_detector(
    network: PersonDetector,
    path: Path,
    side: int = DETECTOR_SIDE,
    threshold: float = DEFAULT_THRESHOLD,
) -> None:
    """Write the detector: boxes (n, A, 4) xyxy px and scores (n, A), any multiple of 32.

    ``threshold`` as for ExportedDetector.
    """
    model = trace(
        ExportedDetector(network, threshold),
        torch.zeros(1, side, side, 3, dtype=torch.uint8),
        ["boxes", "scores"],
        {
            "image": {0: "n", 1: "h", 2: "w"},
            "boxes": {0: "n", 1: "a"},
            "scores": {0: "n", 1: "a"},
        },
        path,
    )
    metadata = {"task": "detector", "strides": "8,16,32", "classes": "person"}
    save(halve_weights(model, DETECTOR_SMALLEST_HALVED), path, metadata)


def export_pose(
    network: ConvNeXtPose | MultiHeadPose,
    path: Path,
    side: int = 192,
    sharpness: float = 1.0,
    threshold: float = POSE_THRESHOLD,
) -> None:
    """Write the pose network: joints (n, j, 3) px, px, m and scores (n, j).

    ``threshold`` is the network's score that is exported as POSE_THRESHOLD.
    """
    power = math.log(POSE_THRESHOLD) / math.log(threshold)
    exported: torch.nn.Module
    joints = 17
    if isinstance(network, MultiHeadPose):
        exported = ExportedHead(network, side, sharpness, power)
    else:
        exported = ExportedPose(network, side, sharpness=sharpness, score_power=power)
        joints = network.joints
    model = trace(
        exported,
        torch.zeros(1, side, side, 3, dtype=torch.uint8),
        ["joints", "scores"],
        {"image": {0: "n"}, "joints": {0: "n"}, "scores": {0: "n"}},
        path,
    )
    skeleton = "coco17" if joints == 17 else f"{joints} joints"
    metadata = {
        "task": "pose",
        "skeleton": skeleton,
        "input_px": str(side),
        "sharpness": str(sharpness),
        "crop_enlarge": str(ENLARGE),
    }
    save(halve_weights(model), path, metadata)


def export_int8(source: Path, path: Path, cache: Path, side: int | None = None) -> None:
    """Write the int8 version of an exported model, calibrated on training pictures."""
    model = onnx.load(str(source))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if metadata["task"] == "pose":
        enlarge = crop_enlarge(metadata, str(source))
        crops = np.load(cache / "crops.npy", mmap_mode="r")
        chosen = np.flatnonzero(~held_out(len(crops)))[::CALIBRATION_STEP]
        pictures = (crop_of_stored(crops[index], side or 192, enlarge) for index in chosen)
    else:
        pool = Pool(cache)
        # COCO's are the last.
        scenes = np.linspace(0, len(pool.scenes) - 1, CALIBRATION_SCENES).astype(int)
        shown = (pool.scene(int(index)).image for index in scenes)
        pictures = (letterbox(image, side or DETECTOR_SIDE)[0] for image in shown)
    is_detector = metadata["task"] == "detector"
    write_int8(source, path, (picture[None] for picture in pictures), float_outputs=is_detector)
    save(onnx.load(str(path)), path, metadata | {"weights": "int8"})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="export a training checkpoint to ONNX")
    parser.add_argument("what", choices=("detector", "pose", "int8"))
    parser.add_argument("checkpoint", type=Path, help="int8: an exported model")
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="see training.build_cache"
    )
    add_side(parser)
    parser.add_argument(
        "--sharpness", type=float, default=1.0, help="pose: see ExportedPose; 1 as published"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help=f"the score to export as the default threshold, {DEFAULT_THRESHOLD} of a detector,"
        f" {POSE_THRESHOLD} of a person's joints; else scores are as they are",
    )
    options = parser.parse_args()
    if options.what == "int8":
        export_int8(options.checkpoint, options.out, options.cache, options.side)
    elif options.what == "detector":
        detector = PersonDetector()
        detector.load_state_dict(read_average(options.checkpoint))
        threshold = options.threshold or DEFAULT_THRESHOLD
        export_detector(detector, options.out, options.side or DETECTOR_SIDE, threshold)
    else:
        network = read_pose(options.checkpoint)
        threshold = options.threshold or POSE_THRESHOLD
        export_pose(network, options.out, options.side or 192, options.sharpness, threshold)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
