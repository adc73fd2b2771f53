"""Many at once: callers of one engine, writers and a slow reader of the mailboxes."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rows import full_or, row

from pose_estimation_ros.engine import Frame, Image
from pose_estimation_ros.engine.execution.mailbox import Mailboxes
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.settings import PipelineOptions

AREA = "Determinism and concurrency"

CALLERS = row(
    AREA,
    "8 callers use one set of models at once, V4 and V3 mixed",
    "every number equal to that of the same calls one after the other",
    "concurrency::eight_callers_get_what_one_gets",
)


def _same(one: PoseResult, other: PoseResult) -> bool:
    pairs = (
        (one.poses.boxes, other.poses.boxes),
        (one.poses.scores, other.poses.scores),
        (one.poses.joints.xy, other.poses.joints.xy),
        (one.poses.joints.scores, other.poses.joints.scores),
        (one.poses.joints.z_m, other.poses.joints.z_m),
        (one.poses.track_ids, other.poses.track_ids),
    )
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def test_eight_callers_get_what_one_gets(embedded_models, scene_frames: list[np.ndarray]) -> None:
    rounds = full_or(6, 1)
    images = scene_frames[: full_or(15, 6)]

    def play(caller: int) -> list[PoseResult]:
        kind = "v3" if caller % 4 == 3 else "v4"
        pipeline = build_pipeline(kind, embedded_models, PipelineOptions())
        dice = random.Random(caller)
        order = [dice.randrange(len(images)) for _ in images] * rounds
        return [
            pipeline.process(Frame(Image(images[which]), stamp_s=index / 30))
            for index, which in enumerate(order)
        ]

    serial = [play(caller) for caller in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(play, range(8)))
    compared = 0
    for one, other in zip(serial, together, strict=True):
        for a, b in zip(one, other, strict=True):
            assert _same(a, b)
            compared += 1
    assert any(len(result.poses) >= 3 for run in serial for result in run)
    CALLERS.saw(f"{compared} of {compared} results equal in every bit")


MAILBOX = row(
    AREA,
    "4 cameras write as fast as they can, one slow reader, slots emptied at random",
    "put = taken + replaced + emptied, to the frame; in order, none twice; none starves",
    "concurrency::mailboxes_lose_nothing_before_a_slow_reader",
)


def test_mailboxes_lose_nothing_before_a_slow_reader() -> None:
    cameras, seconds = 4, full_or(20, 3)
    boxes: Mailboxes[int] = Mailboxes(cameras)
    taken: list[list[int]] = [[] for _ in range(cameras)]
    put, replaced, emptied = [0] * cameras, [0] * cameras, [0] * cameras
    ends = threading.Event()

    def write(camera: int) -> None:
        while not ends.is_set():
            replaced[camera] += boxes.put(camera, put[camera])
            put[camera] += 1

    def empty() -> None:
        dice = random.Random(1)
        while not ends.is_set():
            camera = dice.randrange(cameras)
            emptied[camera] += boxes.clear_slot(camera)
            assert boxes.waiting_in(camera) in (0, 1)
            time.sleep(0.002)

    def read() -> None:
        dice = random.Random(2)
        while (item := boxes.take(0.5)) is not None:
            taken[item[0]].append(item[1])
            time.sleep(dice.choice([0, 0, 0.001, 0.02]))

    reader = threading.Thread(target=read)
    others = [threading.Thread(target=write, args=(camera,)) for camera in range(cameras)]
    others.append(threading.Thread(target=empty))
    for thread in (reader, *others):
        thread.start()
    time.sleep(seconds)
    ends.set()
    for thread in (*others, reader):
        thread.join(30)
        assert not thread.is_alive()
    for camera in range(cameras):
        assert put[camera] == len(taken[camera]) + replaced[camera] + emptied[camera]
        assert taken[camera] == sorted(set(taken[camera]))
    counts = [len(numbers) for numbers in taken]
    assert min(counts) > 0.5 * max(counts), counts
    MAILBOX.saw(
        f"{sum(put)} put = {sum(counts)} taken + {sum(replaced)} replaced + {sum(emptied)} "
        f"emptied; taken by camera: {counts}"
    )
