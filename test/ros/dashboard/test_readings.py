"""What is read from diagnostics and poses, and the line that is made of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point
from pose_estimation_ros.msg import Keypoint, PersonPose, PoseArray

from pose_estimation_ros.engine.execution.fallback_chain import ChainStatus
from pose_estimation_ros.ros.dashboard import headline
from pose_estimation_ros.ros.dashboard.persons import PersonLog, distance_m
from pose_estimation_ros.ros.dashboard.readings import (
    camera_readings,
    node_and_part,
    process_readings,
)
from pose_estimation_ros.ros.health.camera_statistics import CameraStatistics
from pose_estimation_ros.ros.health.status_report import StatusReport


def test_a_model_that_fell_back_is_shown_with_every_reason() -> None:
    report = StatusReport("/robot/pose_estimation", "process", "host")
    report.add("memory (MB)", 200.0)
    report.add_chain("detector", _fallen_back())
    status = report.status("running")
    assert node_and_part(status) == ("/robot/pose_estimation", "process")
    readings = process_readings(status)
    assert readings["memory_mb"] == 200.0
    assert readings["memory_budget_mb"] is None
    (model,) = readings["models"]
    assert model["active"] == "embedded"
    assert not model["as_asked"]
    assert model["candidate"] == "3 of 3"
    assert model["reasons"] == ["a.onnx is missing", "b.onnx is broken"]


def _fallen_back() -> ChainStatus:
    return ChainStatus(
        active="embedded",
        index=2,
        last=2,
        failures=2,
        reasons=["a.onnx is missing", "b.onnx is broken"],
        as_asked=False,
    )


def test_drops_are_told_by_reason_and_unknown_figures_are_none() -> None:
    statistics = CameraStatistics()
    statistics.dropped("rate limit", 3)
    statistics.dropped("model failed")
    report = StatusReport("/pose_estimation", "front", "front_optical")
    statistics.fill(report, target_fps=0.0, waiting=0)
    readings = camera_readings(report.status("0.0 frames a second"))
    drops = {one["reason"]: one["count"] for one in readings["drops"]}
    assert drops == {"rate limit": 3, "model failed": 1}
    assert readings["rate_wanted"] is None
    assert readings["stages"] == []
    assert readings["enabled"]


def test_a_level_that_diagnostics_do_not_have_is_an_error() -> None:
    status = DiagnosticStatus(level=b"\x09", message="odd", name="n: process")
    assert process_readings(status)["level"] == "error"


def _camera(level: bytes, message: str, name: str = "camera") -> dict[str, Any]:
    status = DiagnosticStatus(level=level, message=message, name=f"n: {name}")
    return {**camera_readings(status), "name": name, "topic": "/image"}


@pytest.mark.parametrize(
    ("lifecycle", "process", "cameras", "level", "title", "text"),
    [
        (
            "unconfigured",
            {"level": "stale", "message": "unconfigured: ros2 lifecycle set /n configure"},
            [],
            "paused",
            "Not configured yet",
            "unconfigured: ros2 lifecycle set /n configure",
        ),
        (
            "unconfigured",
            {"level": "error", "message": "cannot configure: no model"},
            [],
            "error",
            "Not configured yet",
            "cannot configure: no model",
        ),
        (
            "active",
            {"level": "warn", "message": "over the budget"},
            [_camera(DiagnosticStatus.OK, "9 frames a second")],
            "warn",
            "Take a look",
            "over the budget",
        ),
        (
            "active",
            {"level": "ok", "message": "running"},
            [_camera(DiagnosticStatus.WARN, "disabled: call the service")],
            "paused",
            "Disabled",
            "The node looks at no image. Press Enable to go on.",
        ),
        (
            "active",
            {"level": "ok", "message": "running"},
            [
                _camera(DiagnosticStatus.STALE, "no publisher", "front"),
                _camera(DiagnosticStatus.ERROR, "every image fails", "rear"),
            ],
            "error",
            "Images fail",
            "front: no publisher; rear: every image fails",
        ),
        (
            "active",
            {"level": "ok", "message": "running"},
            [_camera(DiagnosticStatus.OK, "0.0 frames a second")],
            "paused",
            "Waiting for images",
            "On /image.",
        ),
        (
            "active",
            {"level": "ok", "message": "running"},
            [{**_camera(DiagnosticStatus.OK, "9 frames a second"), "rate_out": 9.0}],
            "ok",
            "Poses are coming",
            "Nothing to do.",
        ),
    ],
)
def test_the_headline_is_what_matters_most(
    lifecycle: str,
    process: dict[str, Any],
    cameras: list[dict[str, Any]],
    level: str,
    title: str,
    text: str,
) -> None:
    found = headline.of_node(lifecycle, process, cameras)
    assert found == {"level": level, "title": title, "text": text}


def _person(track: int, state: int, *points: tuple[float, float, float]) -> PersonPose:
    keypoints = [Keypoint(position=Point(x=x, y=y, z=z)) for x, y, z in points]
    return PersonPose(track_id=track, track_state=state, score=0.5, keypoints=keypoints)


def test_a_person_is_seen_since_the_identity_began() -> None:
    log = PersonLog()
    tracked, new, lost = (
        PersonPose.TRACK_TRACKED,
        PersonPose.TRACK_NEW,
        PersonPose.TRACK_LOST,
    )
    log.update(PoseArray(poses=[_person(4, tracked), _person(-1, new)]), 10.0)
    log.update(PoseArray(poses=[_person(5, lost), _person(4, tracked), _person(-1, new)]), 13.0)
    rows = log.rows(14.0)
    assert [(row["id"], row["seen_for_s"]) for row in rows] == [(-1, None), (4, 4.0), (5, 1.0)]
    assert rows[-1]["state"] == "out of sight"
    log.update(PoseArray(poses=[_person(4, new)]), 20.0)  # the same number after a reset
    assert log.rows(21.0)[0]["seen_for_s"] == 1.0


def test_the_distance_is_that_of_the_middle_of_the_known_joints() -> None:
    unknown = (math.nan, math.nan, math.nan)
    person = _person(1, PersonPose.TRACK_TRACKED, (0, 3, 4), unknown, (0, 3, 4), (9, 9, 9))
    assert distance_m(person) == 5.0
    assert distance_m(_person(1, PersonPose.TRACK_TRACKED, unknown)) is None
    assert distance_m(_person(1, PersonPose.TRACK_TRACKED)) is None
