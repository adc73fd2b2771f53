"""What importing costs, and what must not come along."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

PACKAGE = ROOT / "pose_estimation_ros"

HEAVY = (
    "rclpy",
    "torch",
    "openvino",
    "ultralytics",
    "matplotlib",
    "skimage",
    "scipy",
    "rosbags",
    "rerun",
)


@pytest.mark.parametrize(
    "modules",
    [
        "pose_estimation_ros.engine",
        "pose_estimation_ros.model_zoo",
        "pose_estimation_ros.engine, pose_estimation_ros.cli.video.command",
    ],
)
def test_the_engine_brings_in_neither_ros_nor_heavy_libraries(modules: str) -> None:
    code = f"import {modules}, sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_running_a_pipeline_brings_in_nothing_heavy_either() -> None:
    code = f"""
import sys
from pathlib import Path
import numpy as np
from pose_estimation_ros.engine import Frame, Image
from pose_estimation_ros.settings import PipelineOptions
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.settings import EngineConfig
models = build_models(EngineConfig(pipeline="v3", runtime="onnxruntime"))
pipeline = build_pipeline("v3", models, PipelineOptions())
pipeline.process(Frame(Image(np.zeros((480, 640, 3), np.uint8))))
print(*[m for m in {HEAVY!r} if m in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


# What each room may import, besides itself and the modules at the package's root.
MAY_IMPORT: dict[str, set[str]] = {
    "engine": set(),
    "io": {"engine"},
    "model_zoo": {"engine", "io"},
    "evaluation": {"engine", "io", "model_zoo"},
    "view": {"engine"},
    "ros": {"engine", "io", "model_zoo", "msg", "view"},
    "cli": {"engine", "io", "model_zoo", "evaluation", "ros", "msg", "view"},
}
AT_THE_ROOT = {"errors", "package_files", "settings"}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str) -> None:
    allowed = MAY_IMPORT[room] | AT_THE_ROOT | {room}
    wrong = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                parts = name.split(".")
                if parts[0] == PACKAGE.name and len(parts) > 1 and parts[1] not in allowed:
                    wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not wrong


def test_every_room_is_covered() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms - AT_THE_ROOT == set(MAY_IMPORT)


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside functions count, too: a circle is a circle."""
    modules = {_module_name(path): path for path in PACKAGE.rglob("*.py")}
    graph = {name: _imported(path) & set(modules) - {name} for name, path in modules.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def _module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            # "from package import module" depends on the module, not on the package's names.
            names |= inner if _is_package(node.module) and _all_modules(inner) else {node.module}
    return names


def _is_package(name: str) -> bool:
    return (PACKAGE.parent / name.replace(".", "/") / "__init__.py").is_file()


def _all_modules(names: set[str]) -> bool:
    return all((PACKAGE.parent / f"{name.replace('.', '/')}.py").is_file() for name in names)
