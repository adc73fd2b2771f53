"""Pose records: the poses of a frame as a line of JSON, and as COCO results."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.engine.poses import JointEstimates, Poses
from pose_estimation_ros.engine.skeletons import skeleton_named
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.errors import InputError

_SAME_IOU = 0.5


class PersonRecord(TypedDict):
    """One person; each joint is [x px, y px, score], the box x1, y1, x2, y2 px.

    A joint that the model does not estimate is [null, null, 0].
    """

    track_id: int
    score: float
    box: list[float]
    keypoints: list[list[float | None]]


class AnsweringModel(TypedDict):
    """A model by its name; `sha256` is its file's, empty where it is no file."""

    name: str
    sha256: str


class _MadeBySometimes(TypedDict, total=False):
    models: dict[str, AnsweringModel]


class MadeBy(_MadeBySometimes):
    """What made the records: the source's name and size in bytes, and the settings given.

    `models` are those that answered the first frame; older files do not say.
    """

    source: str
    bytes: int
    settings: dict[str, Any]


class _Sometimes(TypedDict, total=False):
    image: str
    made_by: MadeBy


class FrameRecord(_Sometimes):
    """The poses of a frame.

    `time_s` counts from the source's first image; `image` is the name of the file where each image
    has its own; the first record says what made them all.
    """

    frame: int
    time_s: float
    pipeline: str
    skeleton: str
    poses: list[PersonRecord]


def as_json(index: int, result: PoseResult, time_s: float, image: str = "") -> FrameRecord:
    """Converts a frame's poses to plain data; each joint is [x px, y px, score].

    `image` is the name of the frame's own file, if it has one.
    """
    record: FrameRecord = {
        "frame": index,
        "time_s": round(time_s, 6),
        "pipeline": result.pipeline,
        "skeleton": result.skeleton,
        "poses": [
            {
                "track_id": person.track_id,
                "score": round(person.score, 4),
                "box": [round(float(edge), 2) for edge in person.box],
                "keypoints": [[_number(v) for v in joint] for joint in keypoints],
            }
            for person, keypoints in zip(result.poses, result.poses.keypoints, strict=True)
        ],
    }
    if image:
        record["image"] = image
    return record


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)


def from_json(record: FrameRecord) -> PoseResult:
    """Restores the poses of a record, as far as it holds them."""
    rows = record["poses"]
    skeleton = skeleton_named(record["skeleton"])
    n, k = len(rows), len(skeleton.joints)
    joints = np.array([row["keypoints"] for row in rows], np.float32).reshape(n, k, 3)
    unknown = np.full((n, k), np.nan, np.float32)
    return PoseResult(
        Poses(
            np.array([row["box"] for row in rows], np.float32).reshape(n, 4),
            np.array([row["score"] for row in rows], np.float32),
            JointEstimates(joints[..., :2], joints[..., 2], unknown),
            np.full((n, k, 3), np.nan, np.float32),
            np.array([row["track_id"] for row in rows], np.int32),
            np.zeros(n, np.int32),
            np.zeros(n, np.int32),
            skeleton,
        ),
        record["pipeline"],
    )


@dataclass(frozen=True)
class EarlierRun:
    """The records of an earlier run, and up to which byte its file is good."""

    records: list[FrameRecord]
    end: int


def read_records(path: Path) -> EarlierRun:
    """Reads the records of an earlier run; a last line cut off by a crash is dropped.

    Blank lines and a byte order mark, as editors leave them, are passed over.

    Raises:
        InputError: the file does not hold pose records.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return EarlierRun([], 0)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
    records: list[FrameRecord] = []
    start = end = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
    lines = content[start:].splitlines(keepends=True)
    filled = [place for place, line in enumerate(lines) if line.strip()]
    for place, line in enumerate(lines):
        start += len(line)
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            from_json(record)
            if record["frame"] != len(records):
                raise ValueError(f"frame {record['frame']} where {len(records)} was expected")
        except Exception as error:  # a damaged line may raise anything
            if place == filled[-1]:
                break
            raise InputError(
                f"line {place + 1} of '{path}' is not a pose record ({error}): repair the file, "
                "name another, or run without --resume"
            ) from error
        records.append(record)
        end = start
    return EarlierRun(records, end)


def check_same_run(path: Path, records: list[FrameRecord], now: MadeBy) -> str:
    """Checks that the records of a file were made as they would be now.

    Returns:
        A note where the file does not say what made it; empty otherwise.

    Raises:
        InputError: they were made of another source, with other settings, or by other models.
    """
    if not records:
        return ""
    then = records[0].get("made_by")
    if then is None:
        return f"'{path}' does not say what made it: it is taken to be of '{now['source']}'"
    differences = []
    if then["bytes"] != now["bytes"]:
        differences.append(
            f"it is of '{then['source']}' ({then['bytes']} bytes), and this is of "
            f"'{now['source']}' ({now['bytes']} bytes)"
        )
    names = sorted({*then["settings"], *now["settings"]})
    for name in names:
        before, after = (run["settings"].get(name, "the default") for run in (then, now))
        if before != after:
            differences.append(f"{name} was {before}, and is {after} now")
    differences += _other_models(then.get("models", {}), now.get("models", {}))
    if differences:
        raise InputError(
            f"--resume: '{path}' was made otherwise: {'; '.join(differences)}; give the same, or "
            "name another file with --json"
        )
    return ""


def _other_models(
    then: dict[str, AnsweringModel], now: dict[str, AnsweringModel]
) -> Iterator[str]:
    for kind in sorted({*then} & {*now}):
        before, after = then[kind], now[kind]
        if before["name"] != after["name"]:
            yield f"the {kind} was {before['name']}, and is {after['name']} now"
        elif before["sha256"] != after["sha256"]:
            yield f"the {kind} was another file called {after['name']}"


def coco_rows(image_id: int, record: FrameRecord) -> list[dict[str, Any]]:
    """Converts a record to COCO keypoint results, with the file's name where it has its own."""
    named = {"file_name": record["image"]} if "image" in record else {}
    rows: list[dict[str, Any]] = []
    for pose in record["poses"]:
        x1, y1, x2, y2 = pose["box"]
        rows.append(
            {
                "image_id": image_id,
                **named,
                "category_id": 1,
                "keypoints": [value or 0.0 for joint in pose["keypoints"] for value in joint],
                "score": pose["score"],
                "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
            }
        )
    return rows


class Identities:
    """Continues the identities of an earlier run when it is resumed."""

    def __init__(self, records: list[FrameRecord]) -> None:
        ids = [pose["track_id"] for record in records for pose in record["poses"]]
        self._next = max(ids, default=-1) + 1
        self._known: dict[int, int] = {-1: -1}

    def learn(self, result: PoseResult, record: FrameRecord) -> None:
        """Matches this run's identities to the earlier run's by overlap, in the same frame."""
        then, now = from_json(record).poses, result.poses
        if not len(then) or not len(now):
            return
        overlap = box_iou(now.boxes, then.boxes)
        for index, identity in enumerate(now.track_ids.tolist()):
            best = int(overlap[index].argmax())
            known = int(then.track_ids[best])
            if overlap[index, best] >= _SAME_IOU and known not in self._known.values():
                self._known.setdefault(identity, known)

    def rename(self, result: PoseResult) -> None:
        """Replaces this run's identities by the earlier run's; new persons get new numbers."""
        identities = []
        for person in result.poses:
            if person.track_id not in self._known:
                self._known[person.track_id] = self._next
                self._next += 1
            identities.append(self._known[person.track_id])
        result.poses = result.poses.with_track_ids(np.array(identities, np.int32))
