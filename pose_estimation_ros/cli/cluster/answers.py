"""What the models say of the images of a segment, apart from what came before.

Detector and pose model look at one image at a time and take nearly all the time; identities,
smoothing and the pose cache follow the images in order and take little. So the first are asked on
many machines, and the whole pipeline runs once more over their answers, in order: what it writes
is what one machine writes, to the byte. Pieces that overlap would only come near it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray
from pose_estimation_ros.engine.detection.whole_frame import WholeFrameDetector
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.candidate import Candidate
from pose_estimation_ros.engine.execution.fallback_chain import FallbackChain
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.engine.pose.blazepose import BlazePose
from pose_estimation_ros.engine.pose.pose_cache import EstimatedJoints
from pose_estimation_ros.engine.pose.pose_model import PoseModel
from pose_estimation_ros.engine.poses import JointEstimates
from pose_estimation_ros.engine.skeletons import Skeleton, skeleton_named
from pose_estimation_ros.engine.types import Detections, Frame, Image
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.settings import PipelineOptions

Arrays = dict[str, AnyArray]
_NO_BOXES: FloatArray = np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class Answer:
    """Everyone in one image, and the joints of each of them."""

    found: Detections
    joints: JointEstimates
    skeleton: str


def ask(models: Models, frame: Frame, options: PipelineOptions) -> Answer:
    """What the models say of an image.

    Raises:
        ModelError: no detector or no pose model is usable.
    """
    people = models.people(frame, options)
    if people is None:
        found = models.detect(frame, options, _NO_BOXES)
        estimated = models.estimate(frame, found.boxes, CancelToken())
    else:
        found, estimated = people
    return Answer(found, estimated.joints, estimated.skeleton.name)


def splittable(models: Models, pipeline: str, options: PipelineOptions) -> bool:
    """Whether an image's answer depends on that image alone."""
    follows = isinstance(models.pose.load(), BlazePose)  # its crops follow the pose before
    whole = not models.one_stage and isinstance(models.detector.load(), WholeFrameDetector)
    return pipeline == "v4" and options.detect_every_many == 1 and not follows and not whole


def to_arrays(answers: Sequence[Answer]) -> Arrays:
    """The answers as a few arrays, to be sent and kept."""
    arrays: Arrays = {
        "counts": np.array([len(answer.found) for answer in answers], np.int64),
        "rough": np.array([answer.found.rough for answer in answers], bool),
        "left_out": np.array([answer.found.left_out for answer in answers], np.int64),
        "skeletons": np.array([answer.skeleton for answer in answers], np.str_),
    }
    if answers:
        arrays["boxes"] = np.concatenate([answer.found.boxes for answer in answers])
        arrays["scores"] = np.concatenate([answer.found.scores for answer in answers])
        joints = JointEstimates.concatenate([answer.joints for answer in answers])
        for field in fields(JointEstimates):
            value = getattr(joints, field.name)
            if value is not None:
                arrays[f"joints_{field.name}"] = value
    return arrays


def from_arrays(arrays: Arrays) -> list[Answer]:
    """The inverse of `to_arrays`."""
    ends = np.cumsum(arrays["counts"])
    answers = []
    for index, end in enumerate(ends.tolist()):
        rows = slice(end - int(arrays["counts"][index]), end)
        joints = {
            field.name: arrays[f"joints_{field.name}"][rows]
            for field in fields(JointEstimates)
            if f"joints_{field.name}" in arrays
        }
        rough, left_out = bool(arrays["rough"][index]), int(arrays["left_out"][index])
        found = Detections(arrays["boxes"][rows], arrays["scores"][rows], rough, left_out)
        answers.append(Answer(found, JointEstimates(**joints), str(arrays["skeletons"][index])))
    return answers


class _Told:
    """A pose model that repeats what was said of the image that is shown now."""

    batch = 1_000_000  # whoever is asked for, at once

    def __init__(self, model: PoseModel) -> None:
        self.enlarge: float = getattr(model, "enlarge", 1.0)
        self.skeleton: Skeleton = model.skeleton
        self.answer: Answer | None = None

    def estimate(self, image: Image, boxes: FloatArray) -> JointEstimates:
        """The joints of the persons in these boxes (n, 4) px."""
        assert self.answer is not None
        same = (boxes[:, None] == self.answer.found.boxes[None]).all(axis=2)
        return self.answer.joints.take(same.argmax(axis=1))


class RepeatedModels(Models):
    """Models that repeat answers, one an image, in order; the rest is that of other models."""

    def __init__(self, models: Models, answers: Iterable[Answer]) -> None:
        super().__init__(**{field.name: getattr(models, field.name) for field in fields(Models)})
        self._answers = iter(answers)
        self._told = _Told(models.pose.load())
        told = Candidate[Any].of(models.pose.name, lambda: self._told)
        self._telling: FallbackChain[PoseModel] = FallbackChain(models.pose.name, [told])

    def _next(self) -> Answer:
        answer = next(self._answers, None)
        if answer is None:
            raise ModelError("there are more images than were answered: was the file changed?")
        self._told.answer, self._told.skeleton = answer, skeleton_named(answer.skeleton)
        return answer

    def people(
        self, frame: Frame, options: PipelineOptions
    ) -> tuple[Detections, EstimatedJoints] | None:
        """As the models said."""
        if not self.one_stage:
            return None
        answer = self._next()
        return answer.found, EstimatedJoints(answer.joints, skeleton_named(answer.skeleton))

    def detect(self, frame: Frame, options: PipelineOptions, previous: AnyArray) -> Detections:
        """As the models said."""
        return self._next().found

    @property
    def _estimating(self) -> FallbackChain[PoseModel]:
        """As the models said; the pose cache decides as it does with them."""
        return self._telling
