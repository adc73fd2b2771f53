"""`--cluster`: a real Ray with two nodes; the same bytes as on one machine, whatever breaks."""

from __future__ import annotations

import filecmp
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from calls import call
from recordings import COMPRESSED, IMAGE, write_bag
from stage import wait_for

ray = pytest.importorskip("ray", reason="Ray is not installed")

from pose_estimation_ros.cli.main import main  # noqa: E402
from pose_estimation_ros.io.demo_scene import SceneSource  # noqa: E402

COMMAND = [sys.executable, "-m", "pose_estimation_ros.cli.main"]
FRAMES = 24
_ENDS_S = 60.0
_NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
_video, _bag = partial(call, "video"), partial(call, "bag")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each, and nothing left of them at the end."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    os.environ["POSE_CLUSTER"] = mark
    started = Cluster(initialize_head=True, head_node_args={**_NODE, "include_dashboard": False})
    started.add_node(**_NODE)
    try:
        yield started
    finally:
        started.shutdown()
        os.environ.pop("POSE_CLUSTER")
    # A worker ends by itself once it misses its node, which a busy machine delays.
    wait_for(lambda: not _marked(mark), _ENDS_S, "processes of the cluster are left")


def _marked(mark: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _is_marked(process, mark)]


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get("POSE_CLUSTER") == mark
    except psutil.Error:
        return False


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two clips of the scene; in the short one everybody stands still at first, and is cached."""
    from pose_estimation_ros.io.video_writer import VideoWriter

    folder = tmp_path_factory.mktemp("clips")
    clips = []
    for name, count in (("long", FRAMES), ("short", 7)):
        scene = SceneSource(width=480, height=270, seconds=count / 30)
        with VideoWriter(folder / f"{name}.mp4", 30.0, 480, 270) as writer:
            frames = list(scene.frames())
            still = [frames[0]] * 3 if name == "short" else []
            for index, pixels in enumerate(still + frames):
                writer.write_at(pixels, index / 30)
        clips.append(folder / f"{name}.mp4")
    return clips


@pytest.fixture(scope="module")
def expected(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records that one machine writes."""
    folder = tmp_path_factory.mktemp("expected")
    for clip in clips:
        _video(clip, "--json", folder / f"{clip.stem}.jsonl")
    return folder


def test_videos_are_answered_to_the_byte(
    cluster: Any, clips: list[Path], expected: Path, tmp_path: Path
) -> None:
    """Also beside one that breaks, which is reported; what is done is not done again."""
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    options = ["--cluster", cluster.address, "--segment", "5"]
    run = _video(*clips, broken, "--json", tmp_path / "out", *options, code=1)
    for clip in clips:
        name = f"{clip.stem}.jsonl"
        assert filecmp.cmp(tmp_path / "out" / name, expected / name, shallow=False)
    assert "broken.mp4" in run.stderr and "cannot be read" in run.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["long.jsonl", "short.jsonl"]
    before = (tmp_path / "out" / "long.jsonl").stat().st_mtime_ns
    again = _video(*clips, "--json", tmp_path / "out", *options, "--resume")
    assert "2 of 2 recordings are done already" in again.stdout
    assert (tmp_path / "out" / "long.jsonl").stat().st_mtime_ns == before


def test_bags_are_answered_to_the_byte(cluster: Any, tmp_path: Path) -> None:
    """Of two cameras, one compressed, with depth of none and a camera_info; and by URL."""
    frames = list(SceneSource(width=480, height=270, seconds=0.3).frames())
    topics = {"/left/image_raw": IMAGE, "/right/image/compressed": COMPRESSED}
    bag = write_bag(tmp_path / "drive", topics, frames, info="/left/camera_info")
    _bag(bag, tmp_path / "one")
    _bag(bag, tmp_path / "many", "--cluster", cluster.address, "--segment", "4")
    _same_folders(tmp_path / "one", tmp_path / "many")
    out = f"file://{tmp_path}/by_url"
    _bag(f"file://{bag}", out, "--cluster", cluster.address, "--segment", "500")
    _same_folders(tmp_path / "one", tmp_path / "by_url")
    refused = _bag(bag, tmp_path / "many", "--cluster", cluster.address, code=1)
    assert "exists already" in refused.stderr


def test_a_pipeline_that_follows_is_not_split_and_gives_the_same(
    cluster: Any, clips: list[Path], tmp_path: Path
) -> None:
    _video(clips[1], "--json", tmp_path / "one.jsonl", "--pipeline", "v3")
    options = ["--pipeline", "v3", "--cluster", cluster.address, "--segment", "2"]
    _video(clips[1], "--json", tmp_path / "many.jsonl", *options)
    assert filecmp.cmp(tmp_path / "one.jsonl", tmp_path / "many.jsonl", shallow=False)


@pytest.mark.flaky(reruns=2)  # Ray has time limits of its own, which a busy machine may exceed
def test_a_node_that_dies_and_an_interruption_lose_nothing(
    cluster: Any, clips: list[Path], expected: Path, tmp_path: Path
) -> None:
    out = tmp_path / "long.jsonl"
    command = [*COMMAND, "video", str(clips[0]), "--json", str(out), "--segment", "2"]
    command += ["--cluster", cluster.address]
    # Of another address, as a program joins through the node of its own.
    node = cluster.add_node(**_NODE, node_ip_address="127.0.0.2")
    pieces = tmp_path / ".pieces"
    first = _started(command)
    _await(lambda: len(list(pieces.rglob("*.npz"))) >= 2, first)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130, said
    kept = {path.name: path.stat().st_mtime_ns for path in pieces.rglob("*.npz")}
    assert 2 <= len(kept) < FRAMES // 2 and not out.exists()

    second = _started([*command, "--resume"])
    _await(lambda: len(list(pieces.rglob("*.npz"))) > len(kept), second)
    now = {path.name: path.stat().st_mtime_ns for path in pieces.rglob("*.npz")}
    assert {name: now[name] for name in kept} == kept, "what was done was done again"
    cluster.remove_node(node, allow_graceful=False)
    _, said = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert filecmp.cmp(out, expected / "long.jsonl", shallow=False)
    assert not pieces.exists()


def test_ray_data_maps_batches_of_images(cluster: Any) -> None:
    from pose_estimation_ros import PoseEstimator
    from pose_estimation_ros.ray_batches import PoseBatches

    frames = [f[..., ::-1] for f in SceneSource(width=480, height=270, seconds=0.1).frames()]
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        images = ray.data.from_items([{"image": f, "number": n} for n, f in enumerate(frames)])
        rows = images.map_batches(
            PoseBatches, batch_size=2, num_cpus=1, compute=ray.data.ActorPoolStrategy(size=1)
        ).take_all()
    finally:
        ray.shutdown()
    assert sorted(row["number"] for row in rows) == list(range(len(frames)))
    with PoseEstimator(threads=1, num_workers=1) as estimator:
        for row in rows:
            poses = estimator(np.ascontiguousarray(frames[row["number"]][..., ::-1]))
            assert len(poses) > 0
            np.testing.assert_allclose(np.stack(row["pose_boxes"]), poses.boxes, atol=1e-3)
            assert np.array(row["pose_keypoints"]).shape == (len(poses), 17, 3)
            assert len(row["pose_scores"]) == len(poses)


def test_what_is_in_this_process_alone_is_brought_to_the_workers(
    cluster: Any, clips: list[Path], expected: Path
) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/in/short.mp4", clips[1].read_bytes())
    words = ["memory://in", "--json", "memory://out", "--cluster", cluster.address]
    assert main(["video", *words]) == 0
    assert memory.cat("/out/short.jsonl") == (expected / "short.jsonl").read_bytes()


def test_what_is_wrong_is_said_in_one_line(clips: list[Path], tmp_path: Path) -> None:
    out = ["--json", tmp_path / "x.jsonl"]
    for words, reason in (
        (["--cluster", "127.0.0.1:1"], "nobody answers there"),
        (["--cluster", "somewhere"], "expected HOST:PORT, or local"),
        (["--cluster", "local", "--segment", "0"], "--segment: 0 is below 1"),
        (["--cluster", "local", "--out", tmp_path / "x.mp4"], "pictures are drawn on one machine"),
    ):
        run = _video(clips[1], *out, *words, code=1)
        assert reason in run.stderr and len(run.stderr.splitlines()) == 1
    run = _video("nosuch://bucket/a.mp4", *out, "--cluster", "local", code=1)
    assert "nosuch:// cannot be used" in run.stderr and len(run.stderr.splitlines()) == 1
    run = _video(*clips, *out, code=1)
    assert "several inputs: add --cluster local" in run.stderr


def _started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _await(condition: Any, process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def _same_folders(one: Path, other: Path) -> None:
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    assert names == sorted(str(p.relative_to(other)) for p in other.rglob("*") if p.is_file())
    match, wrong, missing = filecmp.cmpfiles(one, other, names, shallow=False)
    assert not wrong and not missing and match
