"""`pose_estimation demo`: the first thing that anybody sees."""

from __future__ import annotations

import http.server
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray
from fixed_models import fixed_pose_model

from pose_estimation_ros.cli.demo.node_models import NodeModels
from pose_estimation_ros.cli.demo.report import DemoReport
from pose_estimation_ros.engine.execution.fallback_chain import ChainStatus
from pose_estimation_ros.io.demo_scene import SceneSource
from pose_estimation_ros.io.video_reader import VideoSource
from pose_estimation_ros.io.video_writer import VideoWriter
from pose_estimation_ros.ros.health.status_report import StatusReport


def _demo(out: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "demo", "--out", str(out)]
    run = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, timeout=170
    )
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    return run


def test_every_frame_of_the_scene_is_answered(tmp_path: Path) -> None:
    """Though another demo runs beside it."""
    command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "demo", "--pipeline", "v3"]
    other = subprocess.Popen([*command, "--seconds", "4", "--out", str(tmp_path / "other")])
    try:
        run = _demo(tmp_path, "--seconds", 1, "--json")
    finally:
        other.send_signal(signal.SIGINT)
        other.wait(60)
    figures = json.loads(run.stdout)
    assert figures["frames_in"] == figures["frames_answered"] == 30
    assert figures["dropped_by_the_node"] == 0 and figures["tracks"] == 3
    assert figures["persons_found"] == figures["persons_visible"] == 90
    assert VideoSource(str(tmp_path / "annotated.mp4")).length == 30
    picture = cv2.imread(str(tmp_path / "annotated.png"))
    assert picture.shape == (540, 960, 3)
    assert (tmp_path / "poses.mcap").stat().st_size > 1000
    *_, seen, following = [line for line in run.stderr.splitlines() if "note: " not in line]
    assert f"{tmp_path}/annotated.png" in seen
    assert following.startswith("next: ") and "make demo VIDEO=" in following


def test_a_model_that_is_refused_is_said(tmp_path: Path) -> None:
    refused = fixed_pose_model(tmp_path / "five_joints.onnx", joints=5)
    run = _demo(
        tmp_path / "out", "--seconds", 1, "--json", "--model-path", refused, "--no-int8", code=3
    )
    assert json.loads(run.stdout)["models"] == {
        "detector": ["person_detector"],
        "pose model": ["convnextpose_xs_coco17"],
    }
    assert "\ndetector: person_detector; pose model: convnextpose_xs_coco17\n" in run.stderr
    *_, last = run.stderr.splitlines()
    assert "the pose model that is asked for" in last and "five_joints.onnx" in last


def test_a_set_that_is_not_here_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE_ESTIMATION_MODELS", str(tmp_path / "none"))
    run = _demo(tmp_path, "--seconds", 1, "--models", "balanced", "--strict", code=3)
    assert "yolox_tiny and rtmpose_s of the set 'balanced' are not on" in run.stderr


def test_what_the_node_says_of_its_models() -> None:
    def said(node: str, *reports: ChainStatus) -> DiagnosticArray:
        message = DiagnosticArray()
        for status in reports:
            report = StatusReport(f"/demo/{node}", "process", "here")
            report.add_chain("pose model", status)
            message.status.append(report.status("running"))
        return message

    models = NodeModels("/demo")
    assert "did not say" in models.summary() and "did not say" in models.complaint
    models.take(said("node", ChainStatus("a", 0, 1)))
    elsewhere = said("node", ChainStatus("x", 1, 1, as_asked=False))
    elsewhere.status[0].name = "demo_2/node: process"
    models.take(elsewhere)
    assert models.summary() == "pose model: a" and not models.complaint
    models.take(said("node", ChainStatus("b", 1, 1, ["a: NaN"], as_asked=False)))
    models.take(said("node", ChainStatus("b", 1, 1, as_asked=False)))
    assert models.summary() == "pose model: a, then b" and models.complaint.endswith(
        "frame: a: NaN"
    )


def test_a_video_without_people_says_so(tmp_path: Path) -> None:
    video = tmp_path / "wall.mp4"
    with VideoWriter(video, 10.0, 320, 240) as writer:
        for _ in range(5):
            writer.write(np.full((240, 320, 3), 114, np.uint8))
    run = _demo(tmp_path / "out", "--video", video, code=1)
    assert "nobody was found in any of the 5 frames" in run.stderr
    assert (tmp_path / "out" / "annotated.mp4").is_file()


@pytest.fixture
def camera(scene_frames: list) -> Iterator[str]:
    """The address of a network camera, which sends JPEG after JPEG (there is no webcam here)."""
    pictures = [cv2.imencode(".jpg", pixels)[1].tobytes() for pixels in scene_frames]

    class Camera(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            try:
                while True:
                    for data in pictures:
                        head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}"
                        self.wfile.write(head.encode() + b"\r\n\r\n" + data + b"\r\n")
                        time.sleep(1 / 30)
            except OSError:
                return  # the viewer has gone

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/live.mjpg"
    server.shutdown()


def test_a_camera_is_shown_as_it_was_seen(camera: str, tmp_path: Path) -> None:
    run = _demo(tmp_path, "--video", camera, "--seconds", 2, "--json")
    figures = json.loads(run.stdout)
    assert figures["frames_answered"] == figures["frames_in"] >= 2
    assert figures["frames_with_persons"] == figures["frames_in"]
    picture = cv2.imread(str(tmp_path / "annotated.png"))
    assert picture.shape == (540, 960, 3)


@pytest.mark.skipif(Path("/dev/video0").exists(), reason="there is a webcam here")
def test_a_webcam_that_is_not_there_is_named(tmp_path: Path) -> None:
    run = _demo(tmp_path, "--video", 0, code=1)
    assert "camera 0 gives no images: is one plugged in" in run.stderr


@pytest.mark.parametrize(("rate", "said"), [(30.0, False), (12.0, True)])
def test_a_slower_pace_than_the_source_is_said(rate: float, said: bool) -> None:
    stamps = [round(index / rate * 1e9) for index in range(30)]
    report = DemoReport(SceneSource(seconds=1.0), stamps, [], 0.0)
    assert bool(report.slowed()) == said
    if said:
        assert report.slowed().startswith("played at 12.0 of 30 frames a second")
