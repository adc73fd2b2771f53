"""What importing costs, and what must not come along."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "pose_estimation_ros"

HEAVY = ("rclpy", "torch", "openvino", "ultralytics", "matplotlib", "skimage", "scipy", "rosbags")


@pytest.mark.parametrize(
    "modules",
    [
        "pose_estimation_ros.engine",
        "pose_estimation_ros.models",
        "pose_estimation_ros.engine, pose_estimation_ros.cli.video",
    ],
)
def test_the_engine_brings_in_neither_ros_nor_heavy_libraries(modules: str) -> None:
    code = f"import {modules}, sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_running_a_pipeline_brings_in_nothing_heavy_either() -> None:
    code = f"""
import sys
import numpy as np
from pose_estimation_ros.engine import Frame, Image, PipelineOptions
from pose_estimation_ros.models import EngineConfig, build_models, build_pipeline
models = build_models(EngineConfig(pipeline="v3", runtime="onnxruntime"))
pipeline = build_pipeline("v3", models, PipelineOptions())
pipeline.process(Frame(Image(np.zeros((480, 640, 3), np.uint8))))
print(*[m for m in {HEAVY!r} if m in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.parametrize(
    ("layer", "above"),
    [("engine", {"models", "ros", "cli", "msg"}), ("models", {"ros", "cli"}), ("ros", {"cli"})],
)
def test_imports_point_one_way(layer: str, above: set[str]) -> None:
    wrong = []
    for path in sorted((PACKAGE / layer).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                parts = name.split(".")
                if parts[0] == PACKAGE.name and len(parts) > 1 and parts[1] in above:
                    wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not wrong
