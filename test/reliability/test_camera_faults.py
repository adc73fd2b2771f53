"""Cameras that die, change, and lie about the time, before a node that goes on."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from pose_estimation_ros.msg import PoseArray
from rows import Row, full_or, row
from stage import Stage, wait_for

AREA = "Cameras that die, change, and lie"


def stamp_of(message: object) -> float:
    stamp = message.header.stamp  # type: ignore[attr-defined]
    return stamp.sec + stamp.nanosec * 1e-9


def ids(answer: PoseArray) -> set[int]:
    return {person.track_id for person in answer.poses}


KILLED = row(
    AREA,
    "the camera driver is killed (SIGKILL) and started again",
    "the silence is explained within 6 s; poses come again; no image that arrived is lost",
    "camera_faults::a_camera_is_killed_and_comes_back",
)


def test_a_camera_is_killed_and_comes_back(stage: Stage) -> None:
    accounted(stage)
    times = full_or(3, 1)
    with stage.never_silent() as silence:
        for _ in range(times):
            camera = stage.rig.start_camera("--seconds", "60", "--size", "640x480")
            count = len(stage.poses)
            wait_for(lambda count=count: len(stage.poses) >= count + 20, 40, "no poses")
            os.kill(camera.pid, signal.SIGKILL)
            stage.watcher.fresh_status()
            took = wait_for(
                lambda: (
                    "no image on" in stage.watcher.status()["message"]
                    or "no publisher on" in stage.watcher.status()["message"]
                ),
                15,
                "the silence was not explained",
            )
        camera = stage.rig.start_camera("--seconds", "60", "--size", "640x480")
        count = len(stage.poses)
        wait_for(lambda: len(stage.poses) >= count + 20, 40, "no poses")
        camera.interrupt()
        received, answered, dropped = accounted(stage)
    KILLED.saw(
        f"{times} times: explained within {took + 2:.0f} s, poses each time; {received} received "
        f"= {answered} answered + {dropped} replaced by newer ones; {silence()}"
    )


_BEFORE: dict[int, tuple[int, int, int]] = {}


def accounted(stage: Stage) -> tuple[int, int, int]:
    """Images received, answered and dropped since the last call, which must add up."""
    time.sleep(1.0)
    values = stage.watcher.fresh_status()
    dropped = sum(int(v) for key, v in values.items() if key.startswith("dropped: "))
    now = (int(values["received"]), int(values["answered"]), dropped)
    assert now[0] == now[1] + now[2], values
    assert now[1] == len(stage.poses), "an answer was not published, or counted twice"
    then = _BEFORE.get(id(stage), (0, 0, 0))
    _BEFORE[id(stage)] = now
    return now[0] - then[0], now[1] - then[1], now[2] - then[2]


SPAN_S = full_or(10, 1)
Change = Callable[[Stage, int], object]


def steady(fault: str, expected: str, change: Change) -> tuple[Row, Change]:
    return row(AREA, fault, expected, "camera_faults::a_camera_that_changes"), change


def _resized(stage: Stage, index: int) -> object:
    width, height = [(960, 540), (640, 360), (1920, 1080), (480, 270), (333, 187)][index % 5]
    return stage.message(cv2.resize(stage.frames[0], (width, height)))


def _encoded(stage: Stage, index: int) -> object:
    pixels = stage.frames[0]
    kinds = {
        "bgr8": pixels,
        "rgb8": pixels[..., ::-1],
        "mono8": cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)[..., None],
        "bgra8": cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA),
    }
    encoding, data = list(kinds.items())[index % len(kinds)]
    return stage.message(np.ascontiguousarray(data), encoding=encoding)


def _renamed(stage: Stage, index: int) -> object:
    return stage.image(0, frame_id=["camera", "", "other/camera", "é" * 200][index % 4])


CHANGES = [
    steady("the resolution changes with every image", "every image answered", _resized),
    steady("the encoding changes with every image", "every image answered", _encoded),
    steady("frame_id changes with every image", "every image answered, its header kept", _renamed),
]


@pytest.mark.parametrize("case", CHANGES, ids=lambda case: case[0].fault)
def test_a_camera_that_changes(stage: Stage, case: tuple[Row, Change]) -> None:
    entry, change = case
    images = full_or(40, 8)
    stage.good()
    with stage.never_silent() as silence:
        for index in range(images):
            message = change(stage, index)
            answer = stage.ask(message) or stage.ask(message)
            assert answer is not None and len(answer.poses) >= 3, index
            assert answer.header == message.header  # type: ignore[attr-defined]
    entry.saw(f"{images} of {images} answered with all persons; {silence()}")


RATE = row(
    AREA,
    "the rate changes: 2, 200 and 20 images a second",
    "every image received is answered or counted as replaced by a newer one",
    "camera_faults::the_rate_changes",
)


def test_the_rate_changes(stage: Stage) -> None:
    accounted(stage)
    with stage.never_silent() as silence:
        for rate, seconds in ((2, SPAN_S), (200, SPAN_S), (20, SPAN_S)):
            for index in range(rate * seconds):
                stage.camera.publish(stage.image(index))
                time.sleep(1 / rate)
        received, answered, dropped = accounted(stage)
        stage.good()
    RATE.saw(f"{received} received = {answered} answered + {dropped} replaced; {silence()}")


def stamps(fault: str, expected: str, offsets: list[float | None]) -> tuple[Row, list]:
    return row(AREA, fault, expected, "camera_faults::stamps_that_lie"), offsets


SAME = "every image answered; identities hold"
ANEW = "every image answered; identities start anew at most twice"
STAMPS = [
    stamps("stamps of zero", SAME, [None, None, None, None]),
    stamps("the same stamp again and again", SAME, [0.0, 0.0, 0.0, 0.0]),
    stamps("stamps that go backward", "every image answered", [0.0, -0.1, -0.2, -0.3]),
    stamps("one stamp a day ahead", ANEW, [0.0, 86_400.0, 0.1, 0.2]),
    stamps("one stamp a day behind", ANEW, [0.0, -86_400.0, 0.1, 0.2]),
    stamps("the last second that a stamp can hold", ANEW, [0.0, float("inf"), 0.1, 0.2]),
]


@pytest.mark.parametrize("case", STAMPS, ids=lambda case: case[0].fault)
def test_stamps_that_lie(stage: Stage, case: tuple[Row, list]) -> None:
    entry, offsets = case
    start = stamp_of(stage.good()) + 1.0
    seen: list[set[int]] = []
    with stage.never_silent() as silence:
        for offset in offsets:
            stamp = Time()
            if offset == float("inf"):
                stamp = Time(sec=2**31 - 1, nanosec=999_999_999)
            elif offset is not None:
                stamp = Time(sec=int(start + offset), nanosec=int((start + offset) % 1 * 1e9))
            count = len(stage.poses)
            for _ in range(3):
                stage.camera.publish(stage.image(0, stamp=stamp))
                deadline = time.monotonic() + 5
                while len(stage.poses) == count and time.monotonic() < deadline:
                    time.sleep(0.005)
                if len(stage.poses) > count:
                    break
            answer = stage.poses[-1]
            assert answer.header.stamp == stamp and len(answer.poses) >= 3
            seen.append(ids(answer))
            time.sleep(0.02)
        changes = sum(before != after for before, after in itertools.pairwise(seen))
        if "hold" in entry.expected:
            assert changes == 0, seen
        elif "twice" in entry.expected:
            assert changes <= 2, seen
        stage.good()
    entry.saw(f"{len(offsets)} of {len(offsets)} answered, {changes} changes; {silence()}")
