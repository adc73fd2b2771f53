"""Identities and jitter of a pipeline's records."""

from __future__ import annotations

import pytest

from pose_estimation_ros.evaluation.pipeline_summary import jitter, tracking


def _record(*persons: tuple[int, float]) -> dict:
    return {
        "pipeline": "v4",
        "skeleton": "coco17",
        "poses": [
            {
                "track_id": identity,
                "score": 1.0,
                "box": [x, 0, x + 50, 100],
                "keypoints": [[x, 10, 1.0]] * 17,
            }
            for identity, x in persons
        ],
    }


def test_lost_identities_are_seen() -> None:
    steady = tracking([_record((0, 0), (1, 200)), _record((0, 5), (1, 205))])
    assert (steady["identities"], steady["identities_kept"]) == (2, 1.0)
    swapped = tracking([_record((0, 0), (1, 200)), _record((0, 5), (7, 205))])
    assert (swapped["identities"], swapped["identities_kept"]) == (3, 0.5)
    assert tracking([_record(), _record()])["identities_kept"] == 1.0


def test_jitter_is_a_share_of_the_height() -> None:
    assert jitter([_record((0, x)) for x in (0, 5, 10, 15)]) == 0  # steady speed
    assert jitter([_record((0, x)) for x in (0, 5, 0, 5)]) == pytest.approx(0.1)
