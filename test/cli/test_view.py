"""`pose_estimation view` without ROS: recordings, the page, and what cannot be shown."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from calls import call
from processes import Process
from rerun_files import Rows, component, read

from pose_estimation_ros.io.demo_scene import SceneSource
from pose_estimation_ros.io.video_writer import VideoWriter
from pose_estimation_ros.view.rerun_program import free_port

FRAMES = 8
_view = partial(call, "view")
pytest.importorskip("rerun", reason="rerun-sdk is not installed")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "scene.mp4"
    with VideoWriter(path, 30.0, 480, 270) as writer:
        for pixels in SceneSource(480, 270, seconds=FRAMES / 30).frames():
            writer.write(pixels)
    return path


@pytest.fixture(scope="module")
def recorded(clip: Path) -> Rows:
    file = clip.with_name("run.rrd")
    said = _view(clip, "--save", file).stderr
    assert f"{FRAMES} frames shown" in said and str(file) in said
    return read(file)


def test_a_recording_holds_what_the_clip_shows(clip: Path, recorded: Rows) -> None:
    records = clip.with_name("poses.jsonl")
    call("video", clip, "--json", records)
    expected = [json.loads(line) for line in records.read_text().splitlines()]
    boxes, joints = "/cameras/camera/boxes", "/cameras/camera/joints"
    assert len(recorded[boxes]) == len(expected) == FRAMES
    assert [time_s for time_s, _ in recorded[boxes]] == pytest.approx(
        [record["time_s"] for record in expected], abs=1e-3
    )
    ids = component(recorded, boxes, "track_id")
    found = zip(
        component(recorded, joints, "Points2D:positions"),
        component(recorded, joints, "person"),
        component(recorded, joints, "joint"),
        strict=True,
    )
    for record, tracks, (points, persons, numbers) in zip(expected, ids, found, strict=True):
        assert tracks.tolist() == [pose["track_id"] for pose in record["poses"]]
        keypoints = np.array([pose["keypoints"] for pose in record["poses"]])
        scores = keypoints[..., 2]  # rounded: 0.2 may be a little less
        assert 20 < (scores > 0.2).sum() <= len(points) <= (scores >= 0.2).sum()
        assert np.abs(keypoints[persons, numbers, :2] - points).max() < 0.1
    persons = np.ravel(component(recorded, "/plots/camera/persons", "Scalars:scalars"))
    assert persons.tolist() == [len(record["poses"]) for record in expected]


def test_it_holds_images_metres_and_figures_for_every_frame(recorded: Rows) -> None:
    assert len(component(recorded, "/cameras/camera/image", "EncodedImage:blob")) == FRAMES
    metres = component(recorded, "/people/camera/joints", "Points3D:positions")
    assert all(len(points) and (points[:, 2] > 0.3).all() for points in metres)
    stages = np.array(component(recorded, "/plots/camera/stages", "Scalars:scalars"))
    assert stages.shape == (FRAMES, 4) and (stages[:, 3] >= stages[:, 0]).all()
    assert component(recorded, "/process/memory", "Scalars:scalars")[0] > 50


def test_a_rate_thins_the_view(clip: Path, tmp_path: Path) -> None:
    _view(clip, "--save", tmp_path / "run.rrd", "--rate", 10)
    times = [time_s for time_s, _ in read(tmp_path / "run.rrd")["/cameras/camera/boxes"]]
    assert len(times) == 3 and min(np.diff(times)) >= 0.099


def test_the_demos_scene_and_a_pipeline_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "run.rrd"
    _view("v3", "--save", file, "--frames", 3)
    (*_, ids) = component(read(file), "/cameras/camera/boxes", "track_id")
    assert len(ids) == 1


def _refused(*arguments: object) -> str:
    said = _view(*arguments, code=1).stderr.strip()
    assert said.startswith("pose_estimation view: error: ") and "\n" not in said
    return said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/nowhere.mp4", "--save", "x.rrd"], "/nowhere.mp4"),
        (["--rate", "-1"], "--rate: -1 is below 0"),
        (["--memory-limit", "much", "--web"], "--memory-limit: 'much' is no size"),
        (["--web", "--port", "65535"], "--port: 65535"),
        (["--web", "--web-address", "203.0.113.9"], "203.0.113.9 cannot be had"),
        (["--connect", "robot:9876"], "expected rerun+http://HOST:9876/proxy"),
        (["--connect", "rerun+http://127.0.0.1:9/proxy"], "nobody answers at 127.0.0.1:9"),
        (["--connect", "rerun+http://a:9/proxy", "--web"], "choose one"),
        (["clip.mp4", "--ros", "/robot"], "--ros shows a node"),
        (["--ros", "/robot", "--pipeline", "v3"], "pipeline is set there"),
        (["--save", "."], "'.' is a folder"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in _refused(*arguments)
    assert not list(tmp_path.iterdir())


def test_a_clip_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video" * 100)
    assert "clip.mp4" in _refused(tmp_path / "clip.mp4", "--save", tmp_path / "run.rrd")


def test_a_recording_replaces_no_input(clip: Path) -> None:
    assert "is the input" in _refused(clip, "--save", clip)


def test_without_a_display_it_says_what_to_do(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    said = _refused(clip)
    assert "no display" in said and "--web" in said and "--save" in said and "--connect" in said


def test_a_port_that_is_taken_is_named(clip: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"--port: port {port} of 127.0.0.1" in _refused(clip, "--web", "--port", port)
        # The data are at the next one.
        said = _refused(clip, "--web", "--port", port - 1)
        assert f"port {port} of 127.0.0.1" in said or f"port {port - 1} of" in said


def test_without_rerun_it_says_what_to_install(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "rerun.py").write_text("raise ImportError('no module named rerun')")
    command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "view", str(clip), "--web"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 1 and "pip install rerun-sdk" in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def served(clip: Path) -> Iterator[tuple[Process, int]]:
    """The page about the clip, and its port."""
    port = _two_free_ports()
    words = [str(clip), "--web", "--port", str(port), "--memory-limit", "64MB"]
    command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "view", *words]
    process = Process(command, clip.with_name("web.log"))
    try:
        _wait(process, "stays open")
        yield process, port
    finally:
        process.kill()


def _two_free_ports() -> int:
    while True:
        port = free_port()
        with socket.socket() as probe:
            if port < 65535 and probe.connect_ex(("127.0.0.1", port + 1)):
                return port


def _wait(process: Process, text: str) -> None:
    end_s = time.monotonic() + 60
    while text not in process.output:
        assert process.running and time.monotonic() < end_s, process.output
        time.sleep(0.05)


def test_only_this_machine_is_served_unless_an_address_is_named(
    served: tuple[Process, int],
) -> None:
    process, port = served
    assert f"http://127.0.0.1:{port}" in process.output
    ours = psutil.Process(process.pid)
    family = [ours, *ours.children(recursive=True)]
    sockets = [c for one in family for c in one.net_connections() if c.status == "LISTEN"]
    assert {c.laddr.ip for c in sockets} == {"127.0.0.1"}
    assert {c.laddr.port for c in sockets} == {port, port + 1}
    assert any("64MB" in " ".join(one.cmdline()) for one in family)


def test_the_page_shows_people_and_speaks_to_this_machine_alone(
    served: tuple[Process, int], tmp_path: Path
) -> None:
    from web_browser import open_browser

    _, port = served
    said, asked, answered = [], [], []
    with open_browser("--use-angle=swiftshader", "--enable-unsafe-swiftshader") as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.on("console", lambda message: said.append((message.type, message.text)))
        page.on("pageerror", lambda error: said.append(("error", str(error))))
        page.on("request", lambda request: asked.append(request.url))
        page.on("response", lambda response: answered.append((response.url, response.status)))
        page.goto(f"http://localhost:{port}")
        page.wait_for_selector("canvas", timeout=60_000)
        picture = _settled(page)
    assert [text for kind, text in said if kind == "error"] == []
    hosts = (f"http://localhost:{port}/", f"http://localhost:{port + 1}/")
    assert all(url.startswith((*hosts, "data:", "blob:")) for url in asked), asked
    assert any(url.startswith(hosts[1]) and status == 200 for url, status in answered)
    cv2.imwrite(str(tmp_path / "page.png"), picture)  # for whoever wants to look
    assert _shows_the_image(picture)
    # The plots below it.
    assert len(np.unique(picture[460:760].reshape(-1, 3), axis=0)) > 50


def _settled(page: object) -> np.ndarray:
    """The page's pixels once the image is there; the browser draws without a graphics card."""
    end_s = time.monotonic() + 60
    while True:
        data = np.frombuffer(page.screenshot(), np.uint8)
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
        if _shows_the_image(picture) or time.monotonic() > end_s:
            return picture
        page.wait_for_timeout(500)


def _shows_the_image(picture: np.ndarray) -> bool:
    """Whether its place is neither the page's white nor what comes before the page."""
    place = picture[100:400, 50:650].reshape(-1, 3)
    return (place > 245).all(axis=1).mean() < 0.2 and len(np.unique(place, axis=0)) > 5000


def test_ctrl_c_ends_everything(served: tuple[Process, int]) -> None:
    process, port = served
    family = psutil.Process(process.pid).children(recursive=True)
    assert process.interrupt() == 0
    assert not [one for one in family if one.is_running()]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
