"""Accuracy of exported models on ``coco_val`` and ``coco_nobody``, and on held-out crops.

python -m training.evaluate detector models/person_detector.onnx
python -m training.evaluate pose models/convnextpose_xs_coco17.onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pose_estimation_ros.engine.pose.top_down import crop_enlarge
from pose_estimation_ros.engine.runtimes import load_runtime
from training.common.data import DETECTOR_SIDE, default_cache, default_shared
from training.common.metrics import (
    THREADS,
    depth_sign,
    detect,
    detector_figures,
    measuring_set,
    pictures_of_nobody,
    pose_figures,
)
from training.common.options import add_side


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="accuracy of an exported model")
    parser.add_argument("what", choices=("detector", "pose"))
    parser.add_argument("model", type=Path)
    add_side(parser)
    parser.add_argument("--shared", type=Path, default=default_shared())
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    model = load_runtime(options.model, "onnxruntime", THREADS)
    measured = measuring_set(options.shared)
    if options.what == "detector":

        def predict(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            boxes, scores = model.run(picture[None])
            return boxes[0], scores[0]

        side = options.side or DETECTOR_SIDE
        figures = detector_figures(predict, measured, side)
        nobody = pictures_of_nobody(options.shared)
        seen = [len(detect(predict, one, figures["threshold"], side)[1]) for one in nobody]
        figures["boxes_on_nobody"] = float(np.mean(seen))
    else:
        side = options.side or 192
        enlarge = crop_enlarge(model.metadata, str(options.model))

        def joints(crops: np.ndarray) -> np.ndarray:
            return model.run(crops)[0]

        figures = pose_figures(joints, measured, side, enlarge)
        if (options.cache / "crops.npy").exists():
            world = np.load(options.shared / "data" / "person_crops_labels.npz")["world"]
            stored = np.load(options.cache / "crops.npy", mmap_mode="r")
            figures |= depth_sign(joints, world, stored, side, enlarge)
    for name, value in figures.items():
        print(f"{name:16s} {value:.4f}")


if __name__ == "__main__":
    main()
