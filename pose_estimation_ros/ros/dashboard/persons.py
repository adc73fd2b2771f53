"""Who is seen: the persons of the newest answer, and since when each of them is there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pose_estimation_ros.msg import PersonPose, PoseArray

_FORGET_S = 60.0  # the node's reentry_time may be longer; then the time begins anew
_STATES = {
    PersonPose.TRACK_NEW: "new",
    PersonPose.TRACK_TRACKED: "tracked",
    PersonPose.TRACK_LOST: "out of sight",
}


class PersonLog:
    """Remembers since when each identity is seen."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[float, float]] = {}  # first and last seen
        self._persons: list[PersonPose] = []

    def update(self, message: PoseArray, now_s: float) -> None:
        """Takes an answer that came at this time (time.monotonic)."""
        since = dict(self._since)
        for person in message.poses:
            if person.track_id >= 0:
                first_s = now_s
                if person.track_state != PersonPose.TRACK_NEW:
                    first_s = since.get(person.track_id, (now_s, now_s))[0]
                since[person.track_id] = (first_s, now_s)
        self._persons = list(message.poses)
        self._since = {k: v for k, v in since.items() if now_s - v[1] < _FORGET_S}

    def rows(self, now_s: float) -> list[dict[str, Any]]:
        """One for each person of the newest answer, by number; `distance_m` from the
        origin of the frame of the positions, None where that is unknown.
        """
        since = self._since  # another thread may take an answer meanwhile
        rows = [
            {
                "id": person.track_id,
                "state": _STATES.get(person.track_state, ""),
                "score": round(float(np.nan_to_num(person.score)), 3),
                "distance_m": distance_m(person),
                "seen_for_s": round(now_s - since[person.track_id][0], 1)
                if person.track_id in since
                else None,
            }
            for person in self._persons
        ]
        return sorted(rows, key=lambda row: (row["state"] == "out of sight", row["id"]))


def distance_m(person: PersonPose) -> float | None:
    """Of the middle of the joints whose positions are known; None where none is."""
    points = np.array([[j.position.x, j.position.y, j.position.z] for j in person.keypoints])
    known = points[np.isfinite(points).all(axis=1)] if len(points) else points
    if not len(known):
        return None
    distance = float(np.linalg.norm(np.median(known, axis=0)))
    return round(distance, 2) if math.isfinite(distance) else None
