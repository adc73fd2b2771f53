"""Counters, rates and latencies of one camera."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

import numpy as np

from pose_estimation_ros.engine.execution.latency import LatencyWindow, Rate
from pose_estimation_ros.engine.poses import TRACK_LOST, TRACK_NEW
from pose_estimation_ros.engine.tracking.id_switches import IdSwitchCounter
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.ros.health.status_report import StatusReport

_WINDOW = 300
_TRACKS_WINDOW_S = 60.0


class CameraStatistics:
    """Counters since the start, and statistics of the last frames. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drops: Counter[str] = Counter()
        self._latencies = LatencyWindow(_WINDOW)
        self._rate_in, self._rate_out = Rate(), Rate()
        self._persons: deque[int] = deque(maxlen=_WINDOW)
        self._reused: deque[tuple[int, int]] = deque(maxlen=_WINDOW)
        self._scores: deque[float] = deque(maxlen=_WINDOW)
        self._births, self._switches = Rate(_TRACKS_WINDOW_S), Rate(_TRACKS_WINDOW_S)
        self._switch_counter = IdSwitchCounter()
        self.received = self.answered = self.stamps_went_back = self.cut_short = 0
        self._start_s = time.monotonic()
        self.last_image_s = self.last_answer_s = self.last_person_s = self._start_s
        self.last_failure_s = -np.inf
        self.stamp_age_ms = 0.0  # of the last image: NaN for a zero stamp, negative for the future

    def start(self) -> None:
        """Restarts the timers for missing images, results and persons."""
        self._start_s = time.monotonic()
        self.last_image_s = self.last_answer_s = self.last_person_s = self._start_s

    @property
    def active_s(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._start_s

    def received_one(self) -> int:
        """Counts a received image; returns its number, from 0."""
        with self._lock:
            self.received += 1
            self.last_image_s = time.monotonic()
            self._rate_in.tick()
            return self.received - 1

    def dropped(self, reason: str, count: int = 1) -> None:
        """Counts dropped images."""
        with self._lock:
            self._drops[reason] += count
            if reason in ("model failed", "internal error"):
                self.last_failure_s = time.monotonic()

    @property
    def drops(self) -> int:
        """All images dropped so far."""
        with self._lock:
            return self._drops.total()

    def answered_one(self, result: PoseResult, times: dict[str, float]) -> None:
        """Counts a processed image, with its times by stage in ms."""
        with self._lock:
            self.answered += 1
            self.stamps_went_back += result.stamp_went_back
            self.cut_short += result.left_out > 0
            self.last_answer_s = time.monotonic()
            self.stamp_age_ms = times["age_at_receipt"]
            poses = result.poses
            here = poses.track_states != TRACK_LOST
            self._persons.append(int(here.sum()))
            self._reused.append((result.cache_hits, result.estimated))
            if here.any():
                self.last_person_s = self.last_answer_s
                self._scores.append(float(poses.scores[here].mean()))
            for _ in range(int((poses.track_states == TRACK_NEW).sum())):
                self._births.tick()
            for _ in range(self._switch_counter.count(poses)):
                self._switches.tick()
            self._rate_out.tick()
            self._latencies.add(times)

    @property
    def rate_out(self) -> float:
        """Processed frames per second."""
        return self._rate_out.per_second

    def fill(self, report: StatusReport, target_fps: float, waiting: int) -> None:
        """Adds everything to a diagnostic report."""
        with self._lock:
            drops = dict(self._drops)
            persons, scores = list(self._persons), list(self._scores)
            reused, estimated = (sum(pair[i] for pair in self._reused) for i in (0, 1))
        report.add("received", self.received)
        report.add("answered", self.answered)
        report.add("frames a second in", self._rate_in.per_second)
        report.add("frames a second out", self._rate_out.per_second)
        report.add("frames a second wanted", target_fps if target_fps > 0 else "all")
        report.add("queue depth", waiting)
        report.add("persons in the last frame", persons[-1] if persons else 0)
        report.add("persons a frame", float(np.mean(persons)) if persons else 0.0)
        report.add("mean score", float(np.mean(scores)) if scores else float("nan"))
        report.add("cache hits (%)", 100 * reused / max(reused + estimated, 1))
        report.add("new tracks a minute", 60 * self._births.per_second)
        report.add("track switches a minute", 60 * self._switches.per_second)
        report.add("frames with more persons than max_persons", self.cut_short)
        report.add("stamps that went back a little", self.stamps_went_back)
        for reason, count in sorted(drops.items()):
            report.add(f"dropped: {reason}", count)
        report.add_latencies(self._latencies)
