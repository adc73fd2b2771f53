"""Statuses as diagnostic_aggregator likes them."""

from __future__ import annotations

import yaml
from diagnostic_msgs.msg import DiagnosticStatus
from paths import ROOT
from processes import Rig

from pose_estimation_ros.ros.health.status_report import StatusReport, is_ours


def test_names_begin_without_a_slash_and_the_doctor_knows_them() -> None:
    status = StatusReport("/robot/pose_estimation", "front", "front_optical").status("fine")
    assert status.name == "robot/pose_estimation: front"
    assert status.hardware_id == "front_optical"
    assert is_ours(status) and not is_ours(DiagnosticStatus(name=status.name))


def test_the_hardware_of_a_camera_is_its_frame_and_the_analyzers_find_it(rig: Rig) -> None:
    rig.start_node(pipeline="v3")
    rig.start_camera("--seconds", "60")

    def found() -> dict[str, str]:
        last = rig.client.diagnostics[-1:]
        return {s.name: s.hardware_id for _, message in last for s in message.status}

    name = f"{rig.namespace.lstrip('/')}/pose_estimation"
    rig.client.spin_until(lambda: found().get(f"{name}: camera") == "demo_camera")
    text = (ROOT / "config" / "analyzers.yaml").read_text()
    analyzer = yaml.safe_load(text)["/**"]["ros__parameters"]["pose_estimation"]
    assert all(any(part in name for part in analyzer["contains"]) for name in found())
