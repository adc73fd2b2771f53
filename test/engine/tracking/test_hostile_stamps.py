"""A day of stamps such as drivers give them, over people who walk past each other.

The people and the pictures are the same as with steady stamps, so the identities must be, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pose_estimation_ros.engine.tracking.tracker import Tracker
from pose_estimation_ros.settings import TrackingOptions

_RATES_HZ = (0.4, 1, 2, 5, 7.5, 10, 15, 24, 25, 30, 60, 120) * 2  # hour by hour
_IMAGES = 96  # of an hour: the rest of it is a gap
_PERSONS = 5
_HEIGHT_PX = 200.0

Stamps = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def _bursts(times: np.ndarray, images: int, apart_s: float) -> np.ndarray:
    index = np.arange(len(times))
    return times[index // images * images] + index % images * apart_s


KINDS: dict[str, Stamps] = {
    "jitter": lambda t, p, rng: t + rng.uniform(-0.9, 0.9, len(t)) * min(p / 2, 0.05),
    # A driver's buffers hold a few images, and a slow camera's not for seconds.
    "bursts of four": lambda t, p, _rng: _bursts(t, 4 if p < 0.3 else 2, 1e-4),
    "pairs 10 us apart": lambda t, _p, _rng: _bursts(t, 2, 1e-5),
    "doubles": lambda t, _p, _rng: _bursts(t, 2, 0.0),
    "back by up to 50 ms": lambda t, _p, rng: t - rng.choice([0, 0.01, 0.05], len(t)),
    "whole seconds": lambda t, _p, _rng: np.floor(t),
    "one clock 80 ms behind the other": lambda t, _p, _rng: t - np.arange(len(t)) % 2 * 0.08,
}


def _walkers(times_s: np.ndarray, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Boxes (images, persons, 4) px of people who walk to and fro in lanes that overlap.

    Their boxes jitter as a detector's do. Before slow cameras they walk slowly: who is a body
    width farther in the next image has no identity with steady stamps either.
    """
    slow = min(1.0, fps / 5)
    speed = slow * rng.uniform(0.1, 0.5, _PERSONS)  # body heights a second
    phase = rng.uniform(0, 2 * np.pi, _PERSONS)
    x = 900 + 700 * np.sin(speed / 3.5 * times_s[:, None] + phase)
    y = 150 * np.arange(_PERSONS) + 20 * np.sin(slow * times_s[:, None] + phase)
    boxes = np.stack([x, y, x + 0.4 * _HEIGHT_PX, y + _HEIGHT_PX], axis=2)
    return (boxes + rng.normal(0, 2, boxes.shape)).astype(np.float32)


def _switches(stamps_of: Stamps) -> list[int]:
    """For each hour, how often a person got another number than in the image before."""
    rng, tracker = np.random.default_rng(7), Tracker(TrackingOptions())
    jitter = np.random.default_rng(8)
    counts = []
    for hour, fps in enumerate(_RATES_HZ):
        times_s = 3600.0 * hour + np.arange(_IMAGES) / fps
        images = zip(_walkers(times_s, fps, rng), stamps_of(times_s, 1 / fps, jitter), strict=True)
        seen = np.array([tracker.update(boxes, float(stamp))[0] for boxes, stamp in images])
        counts.append(int((np.diff(seen, axis=0) != 0).sum()))
    return counts


@pytest.fixture(scope="module")
def steady() -> list[int]:
    return _switches(lambda times, _period, _rng: times)


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_of_hostile_stamps_switches_nobody(kind: str, steady: list[int]) -> None:
    hostile = _switches(KINDS[kind])
    assert all(h <= s for h, s in zip(hostile, steady, strict=True)), (hostile, steady)


def test_steady_stamps_switch_nobody_who_overlaps(steady: list[int]) -> None:
    assert sum(steady) == 0, steady
