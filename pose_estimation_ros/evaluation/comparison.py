"""What `compare` makes of its measurements: figures, and which pipeline fits a need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray
from pose_estimation_ros.engine.execution.latency import summarise
from pose_estimation_ros.engine.geometry import box_iou
from pose_estimation_ros.io.pose_records import FrameRecord, from_json

_SAME_IOU = 0.5
_SURE = 0.3  # joint score
_SINGLE = "v3"
_MANY = ("v4", "hybrid")
_CHANGING = 0.2  # share of frames with at most one person from which hybrid pays

_AS_NEAR = 0.1


@dataclass(frozen=True)
class Need:
    """What a user asks for; None where it does not matter. Latency is the 95th percentile."""

    use_case: str
    max_persons: int | None = None
    latency_ms: float | None = None
    memory_mb: float | None = None

    def __str__(self) -> str:
        parts = []
        if self.max_persons is not None:
            parts.append("1 person" if self.max_persons == 1 else f"{self.max_persons} persons")
        if self.latency_ms is not None:
            parts.append(f"p95 ≤ {self.latency_ms:g} ms")
        if self.memory_mb is not None:
            parts.append(f"≤ {self.memory_mb:g} MB")
        return ", ".join(parts)


# The deployment guide's use cases, with what they are taken to need.
USE_CASES = (
    Need("Mobile app, one person", 1, 200, 100),
    Need("Gaming and VR", 1, 50, None),
    Need("Surveillance", 18, 1000, None),
    Need("Fitness", 1, 200, 60),
    Need("Corporate analytics", 10, 500, 1000),
    Need("Cloud service", 32, 2000, 2000),
)


@dataclass(frozen=True)
class Advice:
    """The pipeline that fits a need best, whether it meets it, and why."""

    need: Need
    pipeline: str
    met: bool
    why: str


def figures_of(measured: Mapping[str, Any], records: Sequence[FrameRecord]) -> dict[str, Any]:
    """Everything about one pipeline as plain numbers."""
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
    """Latency as a + b x persons by least squares; b is 0 where the number never changes much."""
    counts = np.array(persons, float)
    if len(counts) < 10 or counts.std() < 0.2:
        return float(np.mean(latencies_ms)), 0.0
    b, a = np.polyfit(counts, np.array(latencies_ms), 1)
    return float(a), max(float(b), 0.0)


def tracking(records: Sequence[FrameRecord]) -> dict[str, Any]:
    """How steady identities are, without labels.

    Persons whose boxes overlap by half from one frame to the next are taken for the same.
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
    """Mutual best matches of at least half overlap."""
    best = overlap.argmax(axis=1)
    back = overlap.argmax(axis=0)
    return [
        (old, int(new))
        for old, new in enumerate(best)
        if overlap[old, new] >= _SAME_IOU and back[new] == old
    ]


def jitter(records: Sequence[FrameRecord]) -> float:
    """Median change of a joint's speed from frame to frame, as a share of the box's height."""
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
                sure = poses.joints.scores[person] >= _SURE
                height = max(float(poses.boxes[person, 3] - poses.boxes[person, 1]), 1.0)
                bend = np.linalg.norm(first - 2 * second + third, axis=1)
                changes.append(bend[sure] / height)
    flat = np.concatenate(changes) if changes else np.zeros(0)
    return float(np.median(flat)) if len(flat) else 0.0


def expected_p95_ms(figures: Mapping[str, Any], max_persons: int | None) -> float:
    """The p95 latency with so many persons, where more are asked for than were seen."""
    p95 = float(figures["latency_ms"]["p95"])
    if max_persons is None or figures["pipeline"] == _SINGLE:
        return p95
    more = max(0, max_persons - int(figures["most_poses"]))
    person_ms = float(figures["cost_ms"]["person"])
    if person_ms == 0.0 and figures["poses_per_frame"] > 0:
        person_ms = float(figures["stages_ms"]["pose"] / figures["poses_per_frame"])
    return p95 + more * person_ms


def advise(need: Need, by_pipeline: Mapping[str, dict[str, Any]], single_share: float) -> Advice:
    """The pipeline for a need, from the measurements.

    `single_share` is the share of frames in which at most one person was seen.
    """
    wanted = need.max_persons or 1
    able = {
        name: figures
        for name, figures in by_pipeline.items()
        if wanted == 1 or name in _MANY or len(by_pipeline) == 1
    }
    excess = {name: _excess(need, figures) for name, figures in able.items()}
    fitting = [name for name in able if excess[name] <= 0]
    # Where none fits, those about as near as the nearest: a few MB are no reason.
    nearest = [name for name in able if excess[name] <= min(excess.values()) + _AS_NEAR]
    chosen = _preferred(fitting or nearest, wanted, able, single_share)
    return Advice(need, chosen, bool(fitting), _why(need, chosen, able[chosen], bool(fitting)))


def _excess(need: Need, figures: Mapping[str, Any]) -> float:
    """By what share the worst of the limits is exceeded; 0 or less where all are met."""
    shares = [0.0]
    if need.latency_ms is not None:
        shares.append(expected_p95_ms(figures, need.max_persons) / need.latency_ms - 1)
    if need.memory_mb is not None:
        shares.append(float(figures["memory_mb"]) / need.memory_mb - 1)
    return max(shares)


def _preferred(
    fitting: Sequence[str], wanted: int, able: Mapping[str, dict[str, Any]], single_share: float
) -> str:
    """Of those that meet the need: the simplest for one person, the fullest for many."""
    if wanted == 1 and _SINGLE in fitting:
        return _SINGLE
    if "hybrid" in fitting and "v4" in fitting:
        faster = able["hybrid"]["latency_ms"]["mean"] < 0.9 * able["v4"]["latency_ms"]["mean"]
        return "hybrid" if single_share >= _CHANGING and faster else "v4"
    return fitting[0]


def _why(need: Need, name: str, figures: Mapping[str, Any], met: bool) -> str:
    expected = expected_p95_ms(figures, need.max_persons)
    seen = int(figures["most_poses"])
    estimated = need.max_persons is not None and need.max_persons > seen and name != _SINGLE
    latency = f"p95 {expected:.0f} ms"
    if estimated:
        latency += f" expected for {need.max_persons} persons (at most {seen} were seen)"
    facts = [latency, f"{figures['memory_mb']:.0f} MB", f"{figures['fps']:.1f} FPS"]
    facts.append(f"{figures['poses_per_frame']:.1f} poses a frame")
    text = ", ".join(facts)
    if met:
        return text
    missed = []
    if need.latency_ms is not None and expected > need.latency_ms:
        missed.append(f"latency over {need.latency_ms:g} ms: a faster machine or smaller models")
    if need.memory_mb is not None and figures["memory_mb"] > need.memory_mb:
        missed.append(f"memory over {need.memory_mb:g} MB: a lighter runtime or smaller models")
    return f"{text}; nearest, but {' and '.join(missed)}"
