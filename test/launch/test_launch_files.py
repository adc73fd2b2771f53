"""The launch files with a real `ros2 launch`: alone, and included in a bring-up."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from launching import (
    REPORTING_NODE,
    launch_command,
    launch_file,
    make_prefix,
    needs_launch,
)
from paths import ROOT
from processes import Process, open_rig

from pose_estimation_ros.ros.dds import profile as dds_profile
from pose_estimation_ros.settings import Settings, settings_of

ROBOT_FILE = """
/**:
  ros__parameters: {pipeline: hybrid, threads: 3, use_sim_time: true}
/fleet/*/eyes:
  ros__parameters: {max_persons: 7}
/someone/else:
  ros__parameters: {max_persons: 9}
"""

# The node's full name -> (pipeline, bring-up, arguments, what the node is to have).
# "file" stands for the path of ROBOT_FILE; "sim" is a SetParameter before the include.
CASES: dict[str, tuple[str, dict[str, str], dict[str, str], dict[str, Any]]] = {
    "pose_estimation": ("v3", {}, {}, {"pipeline": "v3", "use_sim_time": False, "level": "INFO"}),
    "robot.pose_estimation": (
        "v4",
        {"namespace": "robot"},
        {"log_level": "debug", "image": "/cam/image_raw", "image_transport": "compressed"},
        {"level": "DEBUG", "compressed": True, "topics": {"image": "/cam/image_raw"}},
    ),
    "fleet.one.eyes": (
        "v3",
        {"namespace": "fleet"},
        {"namespace": "one", "name": "eyes", "params_file": "file"},
        {"pipeline": "hybrid", "threads": 3, "max_persons": 7, "use_sim_time": True},
    ),
    "fleet.two.eyes": (
        "v3",
        {"namespace": "fleet"},
        {"namespace": "two", "name": "eyes", "config": "file", "max_persons": "5",
         "pipeline": "v4", "use_sim_time": "false"},
        {"pipeline": "v4", "threads": 3, "max_persons": 5, "use_sim_time": False},
    ),
    "sim.pose_estimation": (
        "v4", {"namespace": "sim", "sim": "true"}, {}, {"use_sim_time": True}
    ),
    "wall.pose_estimation": (
        "v4", {"namespace": "wall", "sim": "true"}, {"use_sim_time": "false"},
        {"use_sim_time": False},
    ),
    "deep.pose_estimation": (
        "v4", {"namespace": "deep"}, {"depth": "depth/registered"},
        {"use_depth": True, "topics": {"depth": "/deep/depth/registered"}},
    ),
    "flat.pose_estimation": (
        "v4", {"namespace": "flat"},
        {"depth": "/depth", "use_depth": "false", "classes": "0", "confidence_threshold": "1"},
        {"use_depth": False, "classes": "0", "confidence_threshold": 1.0},
    ),
    "two.pose_estimation": (
        "v4", {"namespace": "two"},
        {"cameras": "front,rear", "image": "/f/image_raw, /r/image_raw/compressed",
         "rear/camera_info": "/r/info"},
        {"cameras": ["front", "rear"], "compressed": True,
         "topics": {"front/image": "/f/image_raw", "rear/image": "/r/image_raw",
                    "rear/camera_info": "/r/info"}},
    ),
}  # fmt: skip


def _bring_up(file: Path) -> str:
    """A launch file that includes ours once for every case, each in a scope of its own."""
    actions = []
    for pipeline, outer, arguments, _ in CASES.values():
        given = {k: str(file) if v == "file" else v for k, v in arguments.items()}
        inner = []
        if "namespace" in outer:
            inner.append(f"PushRosNamespace({outer['namespace']!r})")
        if "sim" in outer:
            inner.append("SetParameter('use_sim_time', True)")
        inner.append(
            f"IncludeLaunchDescription({launch_file(pipeline)!r}, "
            f"launch_arguments={list(given.items())!r})"
        )
        actions.append(f"GroupAction([{', '.join(inner)}], scoped=True)")
    return "\n".join(
        [
            "from launch import LaunchDescription",
            "from launch.actions import GroupAction, IncludeLaunchDescription",
            "from launch_ros.actions import PushRosNamespace, SetParameter",
            "def generate_launch_description():",
            f"    return LaunchDescription([{', '.join(actions)}])",
        ]
    )


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the node of every case was given, by its full name."""
    needs_launch()
    folder = tmp_path_factory.mktemp("bringup")
    prefix = make_prefix(folder / "prefix", REPORTING_NODE)
    (folder / "robot.yaml").write_text(ROBOT_FILE)
    (folder / "bringup.launch.py").write_text(_bring_up(folder / "robot.yaml"))
    unset = [word for name in dds_profile.VARIABLES for word in ("-u", name)]
    command = ["env", *unset, f"REPORTS={folder}"]
    command += launch_command(prefix, str(folder / "bringup.launch.py"))
    run = subprocess.run(command, capture_output=True, text=True, timeout=150)
    found = {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}
    assert found.keys() >= CASES.keys(), run.stdout + run.stderr
    return found


@pytest.mark.parametrize("name", CASES)
def test_included_in_a_bring_up_arguments_override_only_when_given(
    name: str, reports: dict[str, dict[str, Any]]
) -> None:
    expected, report = dict(CASES[name][3]), reports[name]
    assert report["topics"].items() >= expected.pop("topics", {}).items()
    assert report["level"] == expected.pop("level", "INFO")
    assert {key: report["parameters"][key] for key in expected} == expected
    assert report["profile"].endswith("fastdds_images.xml")


@pytest.mark.parametrize("kind", ["xml", "yaml"])
def test_xml_and_yaml_files_include_them(tmp_path: Path, kind: str) -> None:
    needs_launch()
    prefix = make_prefix(tmp_path / "prefix", REPORTING_NODE)
    place = launch_file("v3")
    text = {
        "xml": f'<launch><include file="{place}"><arg name="threads" value="2"/>'
        '<arg name="name" value="eyes"/></include></launch>',
        "yaml": f"launch: [include: {{file: '{place}', arg: [{{name: threads, value: '2'}}, "
        "{name: name, value: eyes}]}]",
    }[kind]
    file = tmp_path / f"bringup.launch.{kind}"
    file.write_text(text)
    command = ["env", f"REPORTS={tmp_path}", *launch_command(prefix, str(file))]
    run = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert (tmp_path / "eyes.json").is_file(), run.stdout + run.stderr
    values = json.loads((tmp_path / "eyes.json").read_text())["parameters"]
    assert (values["pipeline"], values["threads"]) == ("v3", 2)


def test_the_bring_up_of_the_documentation_does_what_it_says(tmp_path: Path) -> None:
    needs_launch()
    prefix = make_prefix(tmp_path / "prefix", REPORTING_NODE)
    day = (ROOT / "docs" / "node.md").read_text().split("## A robot's day")[1]
    config = prefix / "share" / "tiago_bringup" / "config"
    config.mkdir(parents=True)
    (prefix / "share" / "ament_index" / "resource_index" / "packages" / "tiago_bringup").touch()
    (config / "people.yaml").write_text(re.findall(r"```yaml\n(.*?)```", day, re.S)[0])
    file = tmp_path / "tiago_people.launch.xml"
    text = re.findall(r"```xml\n(.*?)```", day, re.S)[0]
    # The node in this place ends at once, and would start again for ever.
    file.write_text(text.replace('"respawn" value="true"', '"respawn" value="false"'))
    words = [str(file), "head/depth:=/kinect/depth"]
    command = ["env", f"REPORTS={tmp_path}", *launch_command(prefix, *words)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=90)
    report = tmp_path / "tiago.pose_estimation.json"
    assert report.is_file(), run.stdout + run.stderr
    found = json.loads(report.read_text())
    assert found["parameters"]["target_frame"] == "base_link"
    assert found["parameters"]["cameras"] == ["head", "rear"] and found["parameters"]["use_depth"]
    assert found["topics"]["rear/image"] == "/tiago/rear/image_raw"
    assert found["topics"]["head/depth"] == "/kinect/depth"


def test_rviz_shows_the_first_camera(tmp_path: Path) -> None:
    """RViz is a program with a window, so its arguments are all that is looked at."""
    needs_launch()
    prefix = make_prefix(tmp_path / "prefix", REPORTING_NODE)
    (prefix / "share" / "ament_index" / "resource_index" / "packages" / "rviz2").touch()
    program = prefix / "lib" / "rviz2" / "rviz2"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/rviz2.txt\n')
    program.chmod(0o755)
    words = ["rviz:=true", "namespace:=r", "cameras:=a,b", "target_frame:=map"]
    command = ["env", f"REPORTS={tmp_path}", *launch_command(prefix, launch_file("v3"), *words)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert run.returncode == 0, run.stdout + run.stderr
    rviz = (tmp_path / "rviz2.txt").read_text()
    assert "pose.rviz" in rviz and "-f map" in rviz and "__ns:=/r" in rviz
    assert "/image_annotated:=a/image_annotated" in rviz and "/markers:=a/markers" in rviz


@pytest.mark.parametrize(
    ("view", "options"), [("true", []), ("web", ["--web"]), ("rerun+http://desk:9/proxy", None)]
)
def test_the_view_is_attached_to_the_nodes_namespace(
    tmp_path: Path, view: str, options: list[str] | None
) -> None:
    """The program stands in for the real one, which test/ros/viewing starts."""
    needs_launch()
    prefix = make_prefix(tmp_path / "prefix", REPORTING_NODE)
    program = prefix / "lib" / "pose_estimation_ros" / "pose_estimation"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/view.txt\n')
    words = [f"view:={view}", "namespace:=r/s", "name:=eyes"]
    command = ["env", f"REPORTS={tmp_path}", *launch_command(prefix, launch_file("v3"), *words)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert run.returncode == 0, run.stdout + run.stderr
    given = (tmp_path / "view.txt").read_text().split()
    assert given == [
        "view",
        "--ros",
        "/r/s",
        *(["--connect", view] if options is None else options),
    ]


def test_show_args_lists_every_setting_and_needs_no_library_of_the_node(tmp_path: Path) -> None:
    """Where `ros2` runs in the system's Python, NumPy and OpenCV may be in the node's alone."""
    needs_launch()
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    for name in ("cv2", "numpy", "psutil", "onnxruntime"):
        (blocked / f"{name}.py").write_text("raise ImportError('not for the ros2 process')")
    command = launch_command(tmp_path, launch_file("v4"), "--show-args")
    command = [w.replace("PYTHONPATH=", f"PYTHONPATH={blocked}:", 1) for w in command]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    for one in settings_of(Settings):
        assert f"'{one.name}':" in run.stdout
    assert "[0 to 1; default: 0.3]" in run.stdout and "default: v4]" in run.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["params_file:=/nowhere.yaml"], "params_file:=/nowhere.yaml: there is no such file"),
        (["log_level:=loud"], "log_level:=loud: choose one of debug, info"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_one_line(
    tmp_path: Path, words: list[str], said: str
) -> None:
    needs_launch()
    command = launch_command(make_prefix(tmp_path / "prefix"), launch_file("v3"), *words)
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode != 0
    assert said in run.stderr + run.stdout and "Traceback" not in run.stderr + run.stdout
    assert "process started" not in run.stderr + run.stdout


def test_the_demos_scene_as_camera_gives_poses(tmp_path: Path) -> None:
    """With this package alone: no driver, no matplotlib, no RViz."""
    needs_launch()
    prefix = make_prefix(tmp_path / "prefix")
    with open_rig("launch_demo", tmp_path) as rig:
        words = ["video:=demo", "rviz:=false", "runtime:=onnxruntime", "namespace:=launch_demo"]
        command = launch_command(prefix, launch_file("v4"), *words)
        launched: Process = rig.start(command, "launch")
        try:
            rig.client.spin_until(
                lambda: not launched.running or any(len(p.poses) >= 3 for p in rig.client.poses),
                60,
            )
            assert launched.running, launched.output
        finally:
            code = launched.interrupt(30)
        assert code == 0, launched.output
        assert launched.output.count("process has finished cleanly") == 2, launched.output
        assert "Traceback" not in launched.output and "ERROR" not in launched.output
