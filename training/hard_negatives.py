"""Find the empty scenes in which a detector sees somebody; training draws them more often.

    python -m training.hard_negatives models/person_detector.onnx

Writes ``hard_negatives.npy`` into the cache: the numbers of those scenes, (n,).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pose_estimation_ros.engine.runtimes import load_runtime
from training.common.data import DETECTOR_SIDE, default_cache
from training.common.image_pool import HARD_NEGATIVES, Pool
from training.common.metrics import Predict, letterbox


def find_hard_negatives(predict: Predict, pool: Pool, threshold: float, side: int) -> np.ndarray:
    """The numbers of the empty scenes with a box of at least this score, (n,)."""
    return np.array(
        [
            index
            for index in range(*pool.groups.get("empty", (0, 0)))
            if predict(letterbox(pool.scene(index).image, side)[0])[1].max() >= threshold
        ],
        int,
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="find empty scenes that a detector errs on")
    parser.add_argument("model", type=Path)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--threshold", type=float, default=0.15, help="least score of a box")
    parser.add_argument("--side", type=int, default=DETECTOR_SIDE, help="px of the pictures")
    options = parser.parse_args()
    model = load_runtime(options.model, "onnxruntime", 1)

    def predict(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes, scores = model.run(picture[None])
        return boxes[0], scores[0]

    pool = Pool(options.cache)
    found = find_hard_negatives(predict, pool, options.threshold, options.side)
    np.save(options.cache / HARD_NEGATIVES, found)
    low, high = pool.groups.get("empty", (0, 0))
    print(f"somebody seen in {len(found)} of {high - low} empty scenes")


if __name__ == "__main__":
    main()
