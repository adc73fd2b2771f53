"""Runs the models on the images of a COCO keypoint file and computes the figures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.cli._limits import LimitNotes
from pose_estimation_ros.cli._options import (
    engine_config,
    engine_options,
)
from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.engine.arrays import AnyArray, ByteArray
from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.pipelines import Models, build_pipeline
from pose_estimation_ros.engine.skeletons import COCO17
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.evaluation.accuracy import Person
from pose_estimation_ros.evaluation.coco_annotations import PERSON_CATEGORY
from pose_estimation_ros.evaluation.coco_metrics import (
    Case,
    Predictions,
    case_of,
    cases_of,
    check_joints,
    coco_figures,
    coco_results,
    detection_figures,
    pose_figures,
)
from pose_estimation_ros.io.image_files import read_annotated
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import PipelineOptions

_MIN_SCORE = 0.02  # lowest detection score that counts for AP
_MAX_PERSONS = 256
# Figures reported for published persons.
PERSONS_FIGURES = ("recall", "false_per_image")


class CocoRun:
    """Predictions for the images of a COCO file, and their figures."""

    def __init__(
        self,
        args: argparse.Namespace,
        names: dict[int, str],
        people: list[Person],
        image_ids: Sequence[int],
        sizes: Mapping[int, tuple[int, int]],
    ) -> None:
        """`sizes` are the width and height that the data says of images, where it does."""
        self._args, self._names, self._people = args, names, people
        self._image_ids, self._sizes = list(image_ids), sizes
        self._folder: Path = args.images or args.data.parent
        self._predictions: dict[int, Predictions] = {}
        self._detections: dict[int, tuple[AnyArray, AnyArray]] = {}
        self._about: dict[str, Any] = {}
        self._threshold = 0.0
        self.cases: list[Case] = []
        self._limits = LimitNotes(engine_config(args), engine_options(args))

    def limits(self) -> list[str]:
        """A line for each limit that hid people."""
        return self._limits.lines()

    def image(self, image_id: int) -> ByteArray:
        """Reads an image as BGR.

        Raises:
            InputError: it is missing or unreadable.
        """
        path = self._folder / self._names[image_id]
        if not path.is_file():
            raise InputError(f"image '{path}' does not exist: name the folder with --images")
        return read_annotated(path, self._sizes.get(image_id))

    def predict(self) -> None:
        """Runs the models on all images."""
        options = engine_options(self._args)
        self._threshold = options.detector.confidence_threshold
        models = build_models(engine_config(self._args), fall_back=False)
        # The model is measured in its own joints, whichever it is asked to publish.
        models.skeleton = None
        try:
            models.load()
            check_joints(models.pose.load().skeleton)
            progress = Progress("images", len(self._image_ids))
            for done, image_id in enumerate(self._image_ids, 1):
                frame = Frame(Image(self.image(image_id)))
                if self._args.boxes == "ground-truth":
                    self._estimate_in_true_boxes(models, frame, image_id)
                else:
                    self._run_pipeline(models, frame, image_id, options)
                progress.show(done)
            progress.close()
            self._about["detector"] = models.statuses()["detector"].active
            self._about["pose_model"] = models.pose.status.active
        finally:
            models.close()

    def _estimate_in_true_boxes(self, models: Models, frame: Frame, image_id: int) -> None:
        persons = [p for p in self._people if p.image_id == image_id and not p.crowd]
        boxes = np.array([np.append(p.box[:2], p.box[:2] + p.box[2:]) for p in persons])
        boxes = boxes.reshape(-1, 4).astype(np.float32)
        estimated = models.estimate(frame, boxes, CancelToken())
        joints = estimated.joints.in_skeleton(estimated.skeleton, COCO17)
        together = np.concatenate([joints.xy, joints.scores[..., None]], axis=-1)
        means = joints.scores.mean(axis=1) if len(joints) else np.zeros(0)
        self._predictions[image_id] = Predictions(boxes, means, together)
        self.cases += [
            case_of(person, found)
            for person, found in zip(persons, together, strict=True)
            if person.counted
        ]

    def _run_pipeline(
        self, models: Models, frame: Frame, image_id: int, options: PipelineOptions
    ) -> None:
        # A new pipeline per image, since they are unrelated.
        result = build_pipeline(self._args.pipeline, models, options).process(frame)
        poses = result.poses.in_skeleton(COCO17)
        self._predictions[image_id] = Predictions(poses.boxes, poses.scores, poses.keypoints)
        self._limits.note(result, frame.image.width, frame.image.height)
        every = engine_options(self._args)
        every.detector.confidence_threshold = min(_MIN_SCORE, self._threshold)
        every.detector.max_persons = _MAX_PERSONS
        seen = models.detect(frame, every, np.zeros((0, 4), np.float32))
        self._detections[image_id] = (seen.boxes, seen.scores)

    def take(self, rows: list[Any], category: int) -> None:
        """Uses COCO results from a file instead of running models.

        Args:
            rows: of persons; those of other categories are left out, as pycocotools does.
            category: the number that persons have in the data.

        Raises:
            InputError: they are not COCO keypoint results, or name images not in the data, or
                none of them is of a person.
        """
        persons = 0
        by_image: dict[int, list[tuple[AnyArray, float, AnyArray]]] = {}
        for index, row in enumerate(rows):
            try:
                if not isinstance(row, dict):
                    raise ValueError(f"it is a {type(row).__name__}")
                if row.get("category_id", category) != category:
                    continue
                persons += 1
                joints = np.array(row["keypoints"], float)
                if joints.size != 51:
                    raise ValueError(f"keypoints has {joints.size} numbers")
                joints = joints.reshape(17, 3)
                low, high = joints[:, :2].min(axis=0), joints[:, :2].max(axis=0)
                given = row.get("bbox")
                box = np.append(low, high - low) if given is None else np.array(given, float)
                if box.shape != (4,):
                    raise ValueError("bbox has not 4 numbers")
                box[2:] += box[:2]
                image_id, score = row["image_id"], float(row["score"])
                if not isinstance(image_id, int | str):
                    raise ValueError(f"image_id is {image_id!r}")
                if not np.isfinite([score, *box, *joints.ravel()]).all():
                    raise ValueError("a number is not finite")
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                what = f"no {error}" if isinstance(error, KeyError) else str(error)
                raise InputError(
                    f"entry {index} of '{self._args.results}' is not a COCO keypoint result "
                    f"({what}): expected image_id, keypoints (51 numbers) and score"
                ) from error
            if image_id not in self._names:
                raise InputError(
                    f"entry {index} of '{self._args.results}' is of image {image_id}, which is "
                    f"not in '{self._args.data}'"
                )
            by_image.setdefault(image_id, []).append((box, score, joints))
        if rows and not persons:
            raise InputError(
                f"no entry of '{self._args.results}' is of a person: '{self._args.data}' says "
                f"that these have category_id {category}, and entry 0 has "
                f"{json.dumps(rows[0]['category_id'])}"
            )
        for image_id in set(by_image) & set(self._image_ids):
            boxes, scores, joints_of = zip(*by_image[image_id], strict=True)
            found = Predictions(np.stack(boxes), np.array(scores), np.stack(joints_of))
            self._predictions[image_id] = found
            self._detections[image_id] = (found.boxes, found.scores)
        self._about["results"] = str(self._args.results)

    def results(self, category: int = PERSON_CATEGORY) -> list[dict[str, Any]]:
        """The predictions as COCO keypoint results of a category."""
        return [
            row
            for image_id in self._image_ids
            if image_id in self._predictions
            for row in coco_results(image_id, self._predictions[image_id], category)
        ]

    def figures(self, listing: dict[str, Any]) -> dict[str, Any]:
        """Returns all measurements as plain data."""
        if not self.cases:
            self.cases = cases_of(self._predictions, self._people)
        annotated = bool(self._people)
        alone = self._args.boxes == "ground-truth" and not self._args.results
        detection = persons = None
        if not alone:
            detection = detection_figures(
                self._detections, self._people, self._image_ids, self._threshold
            )
            # The published persons: after min_pose_score and the limit per image.
            published = {i: (p.boxes, p.scores) for i, p in self._predictions.items()}
            persons = detection_figures(published, self._people, self._image_ids, 0.0)
        return {
            "data": str(self._args.data),
            "images": len(self._image_ids),
            "pipeline": "" if self._args.results or alone else self._args.pipeline,
            "boxes": "results" if self._args.results else self._args.boxes,
            **self._about,
            "coco": coco_figures(listing, self._image_ids, self.results()) if annotated else None,
            "pose": pose_figures(self.cases) if annotated else None,
            "detection": detection,
            "persons": persons and {name: persons[name] for name in PERSONS_FIGURES},
        }
