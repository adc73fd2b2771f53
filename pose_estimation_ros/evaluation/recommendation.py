"""Recommendation of a pipeline for a need, from the figures that `compare` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SINGLE = "v3"
_MANY = ("v4", "hybrid")
# Hybrid pays off when at least this share of the frames shows at most one person.
_MIN_SINGLE_SHARE = 0.2
_NEAREST_MARGIN = 0.1


@dataclass(frozen=True)
class Need:
    """A user's requirements; None means no limit. Latency is the 95th percentile."""

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


# Use cases of the deployment guide, with the limits assumed for them.
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
    """The pipeline that fits a need best, whether it meets the need, and why."""

    need: Need
    pipeline: str
    met: bool
    why: str


def expected_p95_ms(figures: Mapping[str, Any], max_persons: int | None) -> float:
    """Return the p95 latency, extrapolated to `max_persons` if fewer were seen."""
    p95 = float(figures["latency_ms"]["p95"])
    if max_persons is None or figures["pipeline"] == _SINGLE:
        return p95
    more = max(0, max_persons - int(figures["most_poses"]))
    person_ms = float(figures["cost_ms"]["person"])
    if person_ms == 0.0 and figures["poses_per_frame"] > 0:
        person_ms = float(figures["stages_ms"]["pose"] / figures["poses_per_frame"])
    return p95 + more * person_ms


def advise(need: Need, by_pipeline: Mapping[str, dict[str, Any]], single_share: float) -> Advice:
    """Choose the pipeline that fits a need best.

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
    # If none fits, all that are about as close as the closest count: a few MB decide nothing.
    nearest = [name for name in able if excess[name] <= min(excess.values()) + _NEAREST_MARGIN]
    chosen = _preferred(fitting or nearest, wanted, able, single_share)
    return Advice(need, chosen, bool(fitting), _why(need, chosen, able[chosen], bool(fitting)))


def _excess(need: Need, figures: Mapping[str, Any]) -> float:
    """Return the share by which the worst limit is exceeded; 0 if all are met."""
    shares = [0.0]
    if need.latency_ms is not None:
        shares.append(expected_p95_ms(figures, need.max_persons) / need.latency_ms - 1)
    if need.memory_mb is not None:
        shares.append(float(figures["memory_mb"]) / need.memory_mb - 1)
    return max(shares)


def _preferred(
    fitting: Sequence[str], wanted: int, able: Mapping[str, dict[str, Any]], single_share: float
) -> str:
    """Prefer the simplest pipeline for one person, and the most complete one for several."""
    if wanted == 1 and _SINGLE in fitting:
        return _SINGLE
    if "hybrid" in fitting and "v4" in fitting:
        faster = able["hybrid"]["latency_ms"]["mean"] < 0.9 * able["v4"]["latency_ms"]["mean"]
        return "hybrid" if single_share >= _MIN_SINGLE_SHARE and faster else "v4"
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
