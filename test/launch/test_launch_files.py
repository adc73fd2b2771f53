"""The launch files, read by the real launch where it is installed."""

from __future__ import annotations

import importlib.util

import pytest
from paths import ROOT

from pose_estimation_ros.ros.dds import profile as dds_profile

launch = pytest.importorskip("launch", reason="launch is not installed (it comes with ROS 2)")
pytest.importorskip("launch_ros", reason="launch_ros is not installed (it comes with ROS 2)")

FOLDER = ROOT / "launch"


@pytest.mark.parametrize("pipeline", ["v3", "v4", "hybrid"])
def test_the_node_is_described_with_its_arguments(
    pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("file", FOLDER / f"{pipeline}.launch.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    description = module.generate_launch_description()
    names = {argument.name for argument in description.get_launch_arguments()}
    assert names >= {"image", "camera_info", "model_path", "yolo_model", "config", "namespace"}
    assert names >= {"use_sim_time", "log_level"}
    service = launch.LaunchService()
    context = service.context
    for entity in description.entities:
        if isinstance(entity, launch.actions.DeclareLaunchArgument):
            entity.execute(context)
    nodes = [node for entity in description.entities for node in entity.execute(context) or []]
    assert len(nodes) == 1
    assert nodes[0].node_executable == "pose_estimation_node"
    # The large-image profile, unless the user has chosen one, as this test run has.
    assert not nodes[0].additional_env
    for name in dds_profile.VARIABLES:
        monkeypatch.delenv(name, raising=False)  # the context's environment is this process's
    node = description.entities[-1].execute(context)[0]
    added = {key[0].text: value[0].text for key, value in node.additional_env}
    assert added == dds_profile.packaged_profiles()
