"""Nothing but `pose_estimation models fetch` ever opens a connection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCHED = """
import socket, sys
asked = []
def refuse(*args, **kwargs):
    asked.append(args)
    raise OSError("no connection is allowed here")
socket.getaddrinfo = socket.create_connection = refuse
socket.socket.connect = socket.socket.connect_ex = refuse
import subprocess
real = subprocess.Popen.__init__
def watch(self, command, *args, **kwargs):
    text = command if isinstance(command, str) else " ".join(map(str, command))
    if "pip" in text.split() or "install" in text.split():
        asked.append(text)
    real(self, command, *args, **kwargs)
subprocess.Popen.__init__ = watch
from pathlib import Path
"""


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED + code + "\nprint('asked', asked)"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "YOLO_CONFIG_DIR": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_pt_file_is_loaded_and_converted_without_a_connection(
    checkpoints: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    code = f"""
from pose_estimation_ros.model_zoo.conversion.convert import convert
from pose_estimation_ros.engine.runtimes import load_runtime
source = Path({str(checkpoints / "yolov8n.pt")!r})
load_runtime(source, "torch", 1)
convert(source, Path("yolov8n.onnx"))
from ultralytics.utils import AUTOINSTALL, ONLINE, SETTINGS
assert not AUTOINSTALL and not ONLINE and not SETTINGS["sync"], "ultralytics is not held back"
"""
    assert run(code, tmp_path) == "asked []"


def test_models_that_are_not_here_are_not_fetched_at_launch(tmp_path: Path) -> None:
    code = """
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig
models = build_models(EngineConfig(yolo_model="yolov8n.pt", fallback_models=["yolov5s.pt",
    "yolo11n", "yolox_nano"], model_path="rtmpose_t", runtime="onnxruntime", int8=False))
models.load()
assert models.detector.status.active == "person_detector", models.detector.status
assert models.pose.status.active == "convnextpose_xs_coco17", models.pose.status
"""
    assert run(code, tmp_path) == "asked []"
    assert not list(tmp_path.rglob("*.pt"))


def test_onnx_runtime_reports_to_nobody(tmp_path: Path) -> None:
    """Its wheels would keep a device number and a queue of reports in the user's cache."""
    code = """
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig
models = build_models(EngineConfig(runtime="onnxruntime"))
models.load()
models.close()
import os
for number in os.listdir("/proc/self/fd"):
    if os.path.exists(link := f"/proc/self/fd/{number}"):
        assert "telemetry" not in os.readlink(link).lower() and ".db" not in os.readlink(link)
"""
    assert run(code, tmp_path) == "asked []"
    assert not [path for path in tmp_path.rglob("*") if "Microsoft" in path.parts]
