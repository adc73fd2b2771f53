"""Speed, memory and tracking figures of one pipeline, from its measurements in `compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.execution.latency import summarise
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.io.pose_records import FrameRecord, from_json

_SAME_IOU = 0.5
_MIN_JOINT_SCORE = 0.3


def figures_of(measured: Mapping[str, Any], records: Sequence[FrameRecord]) -> dict[str, Any]:
    """Summarises the measurements of one pipeline as plain numbers."""
    latencies = list(measured["latency_ms"])
    summary = summarise(latencies)
    persons = [len(record["poses"]) for record in records]
    base_ms, person_ms = _cost(latencies, persons)
    return {
        "pipeline": measured["pipeline"],
        "frames": summary.count,
        "latency_ms": {
            "mean": summary.mean,
            "p50": summary.p50,
            "p95": summary.p95,
            "p99": summary.p99,
            "max": summary.max,
            "std": float(np.std(latencies)),
        },
        "stages_ms": {name: float(np.mean(v)) for name, v in measured["stages_ms"].items()},
        "fps": 1e3 / summary.mean,
        "poses_per_frame": float(np.mean(persons)),
        "most_poses": max(persons),
        "memory_mb": measured["memory_peak_mb"],
        "cores_used": measured["cores_used"],
        "cost_ms": {"frame": base_ms, "person": person_ms},
        **tracking(records),
        "jitter": jitter(records),
    }


def _cost(latencies_ms: Sequence[float], persons: Sequence[int]) -> tuple[float, float]:
    """Fits latency = a + b x persons; b is 0 if the number of persons hardly varies."""
    counts = np.array(persons, float)
    if len(counts) < 10 or counts.std() < 0.2:
        return float(np.mean(latencies_ms)), 0.0
    b, a = np.polyfit(counts, np.array(latencies_ms), 1)
    return float(a), max(float(b), 0.0)


def tracking(records: Sequence[FrameRecord]) -> dict[str, Any]:
    """Measures how stable track ids are, without labels.

    Boxes with an IoU of at least 0.5 in consecutive frames count as the same person.
    """
    kept = same = 0
    lengths: dict[int, int] = {}
    before = None
    for record in records:
        poses = from_json(record).poses
        for identity in poses.track_ids.tolist():
            lengths[identity] = lengths.get(identity, 0) + 1
        if before is not None and len(before) and len(poses):
            overlap = box_iou(before.boxes, poses.boxes)
            for old, new in _pairs(overlap):
                same += 1
                kept += int(before.track_ids[old] == poses.track_ids[new])
        before = poses
    return {
        "identities": len(lengths),
        "identities_kept": kept / same if same else 1.0,
        "mean_track_frames": float(np.mean(list(lengths.values()))) if lengths else 0.0,
    }


def _pairs(overlap: AnyArray) -> list[tuple[int, int]]:
    """Returns mutual best matches with an IoU of at least 0.5."""
    best = overlap.argmax(axis=1)
    back = overlap.argmax(axis=0)
    return [
        (old, int(new))
        for old, new in enumerate(best)
        if overlap[old, new] >= _SAME_IOU and back[new] == old
    ]


def jitter(records: Sequence[FrameRecord]) -> float:
    """Returns the median change of joint velocity between frames, as a share of box height."""
    changes: list[AnyArray] = []
    history: dict[int, list[tuple[int, AnyArray]]] = {}
    for index, record in enumerate(records):
        poses = from_json(record).poses
        for person, identity in enumerate(poses.track_ids.tolist()):
            seen = history.setdefault(identity, [])
            seen.append((index, poses.joints.xy[person]))
            del seen[:-3]
            if len(seen) == 3 and seen[0][0] == index - 2:
                (_, first), (_, second), (_, third) = seen
                confident = poses.joints.scores[person] >= _MIN_JOINT_SCORE
                height = max(float(poses.boxes[person, 3] - poses.boxes[person, 1]), 1.0)
                bend = np.linalg.norm(first - 2 * second + third, axis=1)
                changes.append(bend[confident] / height)
    flat = np.concatenate(changes) if changes else np.zeros(0)
    return float(np.median(flat)) if len(flat) else 0.0
