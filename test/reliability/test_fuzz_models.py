"""Outputs that no model should give: the chain falls back, or the answer makes sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import fuzz, within
from hypothesis import given
from hypothesis import strategies as st
from rows import row

from pose_estimation_ros.engine.detection.network_detector import NetworkDetector
from pose_estimation_ros.engine.detection.whole_frame import WholeFrameDetector
from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.pose.top_down import TopDownPose
from pose_estimation_ros.engine.runtimes.runtime import TensorSpec
from pose_estimation_ros.engine.types import Image
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import DetectorOptions

AREA = "Fuzzing"
SIDE = 64
CELLS = (SIDE // 8) ** 2 + (SIDE // 16) ** 2 + (SIDE // 32) ** 2
VALUES = ["small", "large", "nan", "inf", "-inf", "huge", "zero", "mixed"]


class Scripted:
    """A runtime that gives what it is told to: the shapes are those of the first call, mostly."""

    name = "scripted"
    path = Path("scripted.onnx")
    metadata: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, first: list[np.ndarray], then: list[np.ndarray], shape: tuple) -> None:
        self._outputs = [first, then]
        self.inputs = [TensorSpec("images", shape, np.dtype(np.uint8))]
        self.outputs = [TensorSpec(str(i), o.shape, o.dtype) for i, o in enumerate(first)]

    def run(self, *_tensors: Any) -> list[np.ndarray]:
        return self._outputs.pop(0) if len(self._outputs) > 1 else self._outputs[0]


def filled(shape: tuple[int, ...], kind: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.asarray(rng.uniform(0, 1, shape), np.float32)
    if kind == "large":
        values *= 2 * SIDE
    elif kind == "huge":
        values = (values - 0.5) * np.float32(3e38)
    elif kind == "zero":
        values[...] = 0
    elif kind in ("nan", "inf", "-inf"):
        values[...] = float(kind)
    elif kind == "mixed":
        values[np.asarray(rng.uniform(0, 1, shape)) < 0.05] = np.nan
        values *= SIDE
    return values


def outputs(shapes: list[list[tuple[int, ...]]]) -> st.SearchStrategy:
    """Outputs of known shapes, and of shapes out of nowhere."""
    wild = st.lists(
        st.lists(st.sampled_from([0, 1, 3, 4, 5, 6, 17, CELLS]), max_size=5).map(tuple),
        max_size=3,
    )
    kinds = st.sampled_from(VALUES)
    return st.one_of(st.sampled_from(shapes), st.sampled_from(shapes), wild).flatmap(
        lambda chosen: st.tuples(kinds, st.integers(0, 99)).map(
            lambda how: [filled(shape, how[0], how[1] + i) for i, shape in enumerate(chosen)]
        )
    )


DETECTORS = [
    [(1, 84, CELLS)],
    [(1, 5, CELLS)],
    [(1, CELLS, 85)],
    [(1, 3 * CELLS, 85)],
    [(1, 100, 6)],
    [(1, CELLS, 4), (1, CELLS)],
    [(1, 100, 5), (1, 100)],
]
SEEN = row(
    AREA,
    "outputs of detectors: any shape, NaN, infinities, huge numbers",
    "the next model answers, or boxes are finite and within the image; no crash, no hang",
    "fuzz_models::fuzz_detector_outputs",
)


def test_fuzz_detector_outputs() -> None:
    seen = {"answered": 0, "left for the next model": 0}
    image = Image(np.full((48, 80, 3), 90, np.uint8))
    none = np.zeros((0, 4), np.float32)

    @fuzz(short=200, full=1500)
    @given(outputs(DETECTORS), outputs(DETECTORS), st.booleans(), st.floats(0, 1))
    def run(first: list, then: list, same: bool, threshold: float) -> None:
        options = DetectorOptions(confidence_threshold=threshold, max_persons=8)
        runtime = Scripted(first, first if same else then, (1, SIDE, SIDE, 3))
        chain: FallbackChain = FallbackChain(
            "detector",
            [
                Candidate.of("scripted", lambda: NetworkDetector(runtime)),
                Candidate.of("whole", WholeFrameDetector),
            ],
        )
        with within(10), np.errstate(all="ignore"):
            found = chain.call(lambda d: d.detect(image, options, none))
        seen["answered" if chain.status.index == 0 else "left for the next model"] += 1
        assert found.boxes.shape == (len(found.scores), 4) and len(found.scores) <= 8
        assert np.isfinite(found.boxes).all() and np.isfinite(found.scores).all()
        assert (found.boxes >= 0).all() and (found.boxes <= [80, 48, 80, 48]).all()

    run()
    assert min(seen.values()) > 0
    SEEN.saw(", ".join(f"{count} {what}" for what, count in seen.items()))


@pytest.mark.parametrize("shapes", DETECTORS, ids=str)
def test_found_empty_outputs_of_a_shape_unlike_the_first(shapes: list[tuple[int, ...]]) -> None:
    first = [filled(shape, "large", index) for index, shape in enumerate(shapes)]
    runtime = Scripted(first, [np.zeros((1, 0, 6, 1), np.float32)], (1, SIDE, SIDE, 3))
    chain: FallbackChain = FallbackChain(
        "detector",
        [
            Candidate.of("scripted", lambda: NetworkDetector(runtime)),
            Candidate.of("whole", WholeFrameDetector),
        ],
    )
    image, none = Image(np.full((48, 80, 3), 90, np.uint8)), np.zeros((0, 4), np.float32)
    found = chain.call(lambda d: d.detect(image, DetectorOptions(), none))
    assert found.boxes.shape == (len(found.scores), 4)


POSES = [
    [(2, 17, 3), (2, 17)],
    [(2, 17, 3)],
    [(2, 17, 16, 16)],
    [(2, 16, 16, 17)],
    [(2, 17, 128), (2, 17, 128)],
    [(2, 1, 17, 3)],
    [(2, 17, 8, 8, 8)],
    [(2, 17 * 16, 16, 16)],
]
POSED = row(
    AREA,
    "outputs of pose models: any shape, NaN, infinities, huge numbers",
    "the next model answers, or joints are finite, one set a person; no crash, no hang",
    "fuzz_models::fuzz_pose_outputs",
)


def test_fuzz_pose_outputs() -> None:
    seen = {"answered": 0, "left for the next model": 0}
    image = Image(np.full((48, 80, 3), 90, np.uint8))
    boxes = np.array([[0, 0, 40, 48], [30, 5, 80, 40]], np.float32)

    @fuzz(short=200, full=1500)
    @given(outputs(POSES), outputs(POSES), st.booleans())
    def run(first: list, then: list, same: bool) -> None:
        runtime = Scripted(first, first if same else then, (2, SIDE, SIDE, 3))
        chain: FallbackChain = FallbackChain(
            "pose model", [Candidate.of("scripted", lambda: TopDownPose(runtime))]
        )
        try:
            with within(10), np.errstate(all="ignore"):
                joints = chain.call(lambda pose: pose.estimate(image, boxes))
        except ModelError as error:
            assert "scripted" in str(error)
            seen["left for the next model"] += 1
            return
        seen["answered"] += 1
        assert joints.xy.shape[0] == joints.scores.shape[0] == joints.z_m.shape[0] == 2
        assert joints.xy.shape[:2] == joints.scores.shape == joints.z_m.shape
        assert np.isfinite(joints.xy).all() and np.isfinite(joints.scores).all()

    run()
    assert min(seen.values()) > 0
    POSED.saw(", ".join(f"{count} {what}" for what, count in seen.items()))
