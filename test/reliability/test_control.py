"""Whoever controls the node: parameters, lifecycle, another node of its name."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest
from lifecycle_msgs.msg import State, Transition
from node_calls import change, set_parameters, state
from processes import Process
from rows import full_or, row
from stage import Stage, wait_for

AREA = "Whoever controls the node"


@pytest.fixture
def camera(stage: Stage) -> Iterator[None]:
    """Twenty good images a second while the test runs."""
    ends = threading.Event()

    def play() -> None:
        index = 0
        while not ends.wait(0.05):
            stage.camera.publish(stage.image(index))
            index += 1

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    yield
    ends.set()
    thread.join()


def accounted(stage: Stage) -> tuple[int, int, int]:
    """All images received, answered, dropped so far; they must add up once the camera rests."""
    time.sleep(1.0)
    values = stage.watcher.fresh_status()
    dropped = sum(int(v) for key, v in values.items() if key.startswith("dropped: "))
    received, answered = int(values["received"]), int(values["answered"])
    assert received == answered + dropped, values
    return received, answered, dropped


STORM = row(
    AREA,
    "a storm of parameters, valid and not, while images come",
    "each taken or refused by its range; images go on being answered",
    "control::a_storm_of_parameters",
)

GOOD = {
    "confidence_threshold": [0.0, 0.3, 1.0, 1],
    "iou_threshold": [0.0, 1.0],
    "max_persons": [1, 256],
    "min_pose_score": [0.0, 1.0],
    "target_fps": [0.0, 0.5, 1000.0],
    "max_image_pixels": [1, 10**9],
    "enable_tracking": [True, False],
    "reentry_time": [0.0, 3600.0],
    "report_lost": [True, False],
    "enable_smoothing": [True, False],
    "smoothing_min_cutoff": [0.01, 100.0],
}
BAD = {
    "confidence_threshold": [-0.1, 1.1, float("nan"), float("inf"), "high", 2],
    "max_persons": [0, 257, -(2**63), "many", 1.5],
    "target_fps": [-1.0, float("nan"), [1.0]],
    "max_image_pixels": [0, -1, 2**40],
    "pipeline": ["v3", 3],
    "model_path": ["/etc/passwd"],
    "cameras": [["a", "b"]],
    "no_such_parameter": [1],
    "enable_tracking": ["yes", 1],
}


def test_a_storm_of_parameters(stage: Stage, camera: None) -> None:
    dice, calls = random.Random(7), full_or(2000, 200)
    _, _, threads = stage.resources()
    with stage.never_silent() as silence:
        start = time.monotonic()
        for _ in range(calls):
            valid = dice.random() < 0.5
            name = dice.choice(list(GOOD if valid else BAD))
            value = dice.choice((GOOD if valid else BAD)[name])
            assert set_parameters(stage, **{name: value}) == [valid], (name, value)
        rate = calls / (time.monotonic() - start)
        back = {"confidence_threshold": 0.3, "iou_threshold": 0.45, "max_persons": 32}
        back |= {"min_pose_score": 0.2, "target_fps": 0.0, "max_image_pixels": 10**8}
        back |= {"enable_tracking": True, "report_lost": False, "enable_smoothing": False}
        assert all(set_parameters(stage, **back, reentry_time=2.0))
        count = len(stage.poses)
        wait_for(lambda: len(stage.poses) > count + 5, 20, "no poses after the storm")
        wait_for(lambda: len(stage.poses[-1].poses) >= 3, 20, "nobody after the storm")
        assert stage.resources()[2] <= threads + 8  # a pool fills up as it is used
    STORM.saw(f"{calls} calls, {rate:.0f} a second, all as expected; {silence()}")


LIFECYCLE = row(
    AREA,
    "lifecycle transitions in every order, while images come",
    "those that exist succeed, the others are refused; at the end it is active and answers; "
    "received = answered + dropped by reason; no thread or file too many",
    "control::transitions_in_every_order",
)
U, I, A = (  # noqa: E741
    State.PRIMARY_STATE_UNCONFIGURED,
    State.PRIMARY_STATE_INACTIVE,
    State.PRIMARY_STATE_ACTIVE,
)
EDGES = {
    (U, Transition.TRANSITION_CONFIGURE): I,
    (I, Transition.TRANSITION_CLEANUP): U,
    (I, Transition.TRANSITION_ACTIVATE): A,
    (A, Transition.TRANSITION_DEACTIVATE): I,
}
IDS = sorted({transition for _, transition in EDGES})


def test_transitions_in_every_order(stage: Stage, camera: None) -> None:
    dice, steps = random.Random(3), full_or(300, 36)
    stage.watcher.fresh_status()
    _, files, threads = stage.resources()
    now, done, refused = A, 0, 0
    # Every state with every transition at least once, then by chance.
    with stage.never_silent() as silence:
        for step in range(steps):
            transition = IDS[step % len(IDS)] if step < 2 * len(IDS) else dice.choice(IDS)
            expected = EDGES.get((now, transition))
            assert change(stage, transition) == (expected is not None), (now, transition)
            now = expected or now
            done, refused = done + (expected is not None), refused + (expected is None)
            assert state(stage) == now
        for transition in {
            U: (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE),
            I: (Transition.TRANSITION_ACTIVATE,),
            A: (),
        }[now]:
            assert change(stage, transition)
        stage.wait_until_connected()
        count = len(stage.poses)
        wait_for(lambda: len(stage.poses) > count + 5, 20, "no poses at the end")
        _, files_after, threads_after = stage.resources()
        assert files_after <= files + 4 and threads_after <= threads + 4
    LIFECYCLE.saw(
        f"{done} done, {refused} refused; {files_after - files:+d} files, "
        f"{threads_after - threads:+d} threads; {silence()}"
    )


def test_images_add_up_after_all_of_it(stage: Stage) -> None:
    accounted(stage)


TWINS = row(
    AREA,
    "two nodes of the same name",
    "both answer images; both warn of the other and say how to rename one; the warning goes "
    "with it",
    "control::two_nodes_of_the_same_name",
)


def test_two_nodes_of_the_same_name(stage: Stage) -> None:
    with stage.never_silent() as silence:
        twin: Process = stage.rig.start_node(pipeline="v4", runtime="onnxruntime")

        def warned() -> bool:
            return "1 more node called" in stage.watcher.status("process")["message"]

        wait_for(warned, 30, "the other node was not noticed")
        stage.good()
        assert twin.interrupt() == 0
        wait_for(lambda: not warned(), 30, "the warning stayed")
        stage.good()
    TWINS.saw(f"as expected; {silence()}")
