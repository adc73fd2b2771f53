"""For hours: two cameras, 18 persons, the V4 node at its limit."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import psutil
from pose_estimation_ros.msg import PoseArray
from processes import open_rig
from rows import FULL, full_or, row
from stage import SILENCE_S, Watcher, wait_for

AREA = "Endurance"
CAMERAS = ("front", "rear")
PERSONS = 18
WARM_UP_S, RUN_S = full_or(240, 2), full_or(360, 8)
# The short form is over before all memory was touched for the first time: a block of 13 MB may
# still come in its 8 seconds, 8800 MB an hour. It rules out plain leaks: an image kept of every
# answer is 50,000.
SLOPE_MB_PER_HOUR = 1.0 if FULL else 20_000.0

ENDURANCE = row(
    AREA,
    "V4, two cameras of 30 Hz, 18 persons each, without a pause (6 minutes after 4 of warm-up)",
    "every image received is answered or counted by reason; identities hold; no file, no thread "
    "more; memory has settled: a slope (Theil-Sen) of less than 1 MB an hour",
    "endurance::hours_of_two_cameras",
)


def slope_per_hour(seconds: np.ndarray, values: np.ndarray) -> float:
    """The median of the slopes of all pairs (Theil and Sen): single steps do not sway it."""
    first, second = np.triu_indices(len(values), 1)
    far = seconds[second] - seconds[first] > 0.25 * (seconds[-1] - seconds[0])
    first, second = first[far], second[far]
    slopes = (values[second] - values[first]) / (seconds[second] - seconds[first])
    return float(np.median(slopes)) * 3600


def who(answer: PoseArray) -> tuple[int, frozenset[int]]:
    """An answer's number and the identities in it."""
    return answer.sequence, frozenset(person.track_id for person in answer.poses)


def test_hours_of_two_cameras(name: str, tmp_path: Path) -> None:
    with open_rig(name, tmp_path) as rig:
        node = rig.start_node(
            *(False,),
            pipeline="v4",
            runtime="onnxruntime",
            cameras=f"[{', '.join(CAMERAS)}]",
            detector_size=640,  # so many people in one picture are small
        )
        watcher = Watcher(rig.namespace, CAMERAS, keep=who)
        try:
            _run(rig, node, watcher)
        finally:
            watcher.close()


def _run(rig, node, watcher: Watcher) -> None:
    # The first answers are to be heard as well.
    topics = [f"{rig.namespace}/{camera}/poses" for camera in CAMERAS]
    wait_for(lambda: all(watcher.node.count_publishers(t) for t in topics), 40, "no topics")
    time.sleep(2.0)
    cameras = []
    for camera in CAMERAS:
        more = ("-r", f"image:={camera}/image", "-r", f"camera_info:={camera}/camera_info")
        words = ("--prepared", "--persons", str(PERSONS), "--size", "640x480")
        cameras.append(rig.start_camera(*words, "--seconds", "100000", "--ros-args", *more))
    for camera in CAMERAS:
        wait_for(lambda c=camera: len(watcher.poses[c]) > 10, 60, node.output)
    time.sleep(WARM_UP_S)
    process = psutil.Process(node.pid)
    files, threads = process.num_fds(), process.num_threads()
    moments, memory = [], []
    since = time.monotonic()
    first = {camera: len(watcher.poses[camera]) for camera in CAMERAS}
    while time.monotonic() - since < RUN_S:
        moments.append(time.monotonic())
        memory.append(process.memory_info().rss / 2**20)
        time.sleep(full_or(10, 5) / 10)
    silence = watcher.longest_silence_s(since)
    last = {camera: len(watcher.poses[camera]) for camera in CAMERAS}
    files, threads = process.num_fds() - files, process.num_threads() - threads
    for player in cameras:
        player.interrupt()
    time.sleep(1.5)
    said, births, known = [], 0, 0
    watcher.fresh_status(CAMERAS[0])
    for camera in CAMERAS:
        values = watcher.status(camera)
        received, answered = int(values["received"]), int(values["answered"])
        drops = {k[9:]: int(v) for k, v in values.items() if k.startswith("dropped: ")}
        assert received == answered + sum(drops.values()), values
        assert answered == len(watcher.poses[camera])
        reasons = " + ".join(f"{count} {why}" for why, count in drops.items())
        said.append(f"{camera}: {received} received = {answered} answered + {reasons}")
        answers = watcher.poses[camera][first[camera] : last[camera]]
        sequences = [sequence for sequence, _ in answers]
        assert sequences == sorted(set(sequences))
        start = answers[0][1]
        seen = start.union(*(ids for _, ids in answers))
        births, known = births + len(seen - start), known + len(start)
        assert len(start) >= PERSONS // 2
    slope = slope_per_hour(np.array(moments), np.array(memory))
    frames = sum(last.values()) - sum(first.values())
    ENDURANCE.saw(
        f"{'; '.join(said)}; {births} identities came after the {known} of the beginning; "
        f"{files:+d} files, {threads:+d} threads; {frames} images in {RUN_S} s, "
        f"{np.median(memory):.0f} MB, {slope:+.2f} MB an hour; silent for {silence:.1f} s"
    )
    assert files <= 0 and threads <= 0, (files, threads)
    assert births <= 4, births
    assert slope < SLOPE_MB_PER_HOUR, (slope, memory[:: max(1, len(memory) // 20)])
    assert silence < SILENCE_S
