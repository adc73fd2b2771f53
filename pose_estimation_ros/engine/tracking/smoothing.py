"""One-Euro smoothing of joints, one filter state a track.

Source: Casiez et al., "1 Euro Filter", CHI 2012. At rest the filter averages (less jitter), in
motion it follows (less lag): its lag is about 1 / (2 pi cutoff) seconds, where the cutoff is
min_cutoff_hz + beta x speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.engine.arrays import AnyArray, FloatArray, IntArray
from pose_estimation_ros.settings import SmoothingOptions

# Images that are stamped closer together were not taken so: buffers are handed over in bursts.
_LEAST_STEP_S = 0.004


@dataclass(slots=True)
class _State:
    stamp_s: float
    value: AnyArray
    speed: AnyArray


def _weight(cutoff_hz: AnyArray | float, dt_s: float) -> AnyArray:
    r = 2 * np.pi * np.asarray(cutoff_hz) * dt_s
    return r / (r + 1)


class Smoother:
    """Smooths joints by track."""

    def __init__(self, options: SmoothingOptions) -> None:
        self.options = options
        self._states: dict[int, _State] = {}

    def smooth(
        self, xy: FloatArray, boxes: FloatArray, track_ids: IntArray, stamp_s: float
    ) -> FloatArray:
        """Joints (n, k, 2) px of the tracks (n,), smoothed; untracked persons pass unchanged."""
        if not self.options.enabled:
            self._states.clear()
            return xy
        result = xy.copy()
        for person, track in enumerate(track_ids.tolist()):
            if track >= 0:
                scale = max(float(boxes[person, 3] - boxes[person, 1]), 1.0)
                result[person] = self._step(track, xy[person] / scale, stamp_s) * scale
        return result

    def keep(self, tracks: set[int]) -> None:
        """Drops the states of all tracks but these."""
        self._states = {t: s for t, s in self._states.items() if t in tracks}

    def reset(self) -> None:
        self._states.clear()

    def _step(self, track: int, value: AnyArray, stamp_s: float) -> AnyArray:
        state = self._states.get(track)
        if state is None or stamp_s < state.stamp_s:
            self._states[track] = _State(stamp_s, value, np.zeros_like(value))
            return value
        dt_s = max(stamp_s - state.stamp_s, _LEAST_STEP_S)
        raw_speed = (value - state.value) / dt_s
        alpha = _weight(self.options.speed_cutoff_hz, dt_s)
        speed = state.speed + alpha * (raw_speed - state.speed)
        magnitude = np.linalg.norm(speed, axis=-1, keepdims=True)
        cutoff_hz = self.options.min_cutoff_hz + self.options.beta * magnitude
        smoothed = state.value + _weight(cutoff_hz, dt_s) * (value - state.value)
        self._states[track] = _State(stamp_s, smoothed, speed)
        return smoothed
