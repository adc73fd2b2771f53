"""The running node, as others on the network see it."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from paths import ROOT
from processes import open_rig
from rows import row
from stage import Stage, open_stage, wait_for

AREA = "Security"
POLICY = ROOT / "config" / "pose_estimation.policy.xml"


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, scene_frames: list[np.ndarray]
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("security")
    with open_stage("security", folder, scene_frames, use_depth=True) as stage:
        yield stage


PORTS = row(
    AREA,
    "ports of the running node",
    "no TCP port is listened on (DDS itself uses UDP and shared memory)",
    "security_node::nothing_listens_on_a_tcp_port",
)


def test_nothing_listens_on_a_tcp_port(running: Stage) -> None:
    running.good()
    connections = psutil.Process(running.node.pid).net_connections("inet")
    listening = [c for c in connections if c.status == psutil.CONN_LISTEN]
    assert not listening
    udp = sum(1 for c in connections if c.status == psutil.CONN_NONE)
    PORTS.saw(f"0 TCP, {udp} UDP")


NAMES = row(
    AREA,
    "the SROS 2 policy (config/pose_estimation.policy.xml) against the running node",
    "every topic and service that the node has is in the policy",
    "security_node::the_policy_names_what_the_node_uses",
)


def test_the_policy_names_what_the_node_uses(running: Stage) -> None:
    profile = ElementTree.parse(POLICY).getroot().find("enclaves/enclave/profiles/profile")
    assert profile is not None and profile.get("node") == "pose_estimation"
    own = f"{running.namespace}/pose_estimation"

    def allowed(kind: str, how: str) -> set[str]:
        names = profile.findall(f"{kind}s[@{how}='ALLOW']/{kind}")
        return {
            name.text.replace("~/", f"{own}/")
            if name.text.startswith("~/")
            else f"{running.namespace}/{name.text}"
            for name in names
            if name.text
        }

    node, who = running.watcher.node, ("pose_estimation", running.namespace)
    root = {"/diagnostics", "/rosout", "/parameter_events", "/clock", "/tf"}

    def missing(found: list, kind: str, how: str) -> set[str]:
        names = {n if n not in root else f"{running.namespace}{n}" for n, _types in found}
        return names - allowed(kind, how)

    published = node.get_publisher_names_and_types_by_node(*who)
    subscribed = node.get_subscriber_names_and_types_by_node(*who)
    services = node.get_service_names_and_types_by_node(*who)
    assert len(published) > 5 and len(subscribed) >= 3 and len(services) > 10
    assert not missing(published, "topic", "publish")
    assert not missing(subscribed, "topic", "subscribe")
    assert not missing(services, "service", "reply")
    NAMES.saw(
        f"{len(published)} published, {len(subscribed)} subscribed, {len(services)} services"
    )


SECURE = row(
    AREA,
    "the node with ROS_SECURITY_ENABLE=true and ROS_SECURITY_STRATEGY=Enforce, without a keystore",
    "it does not start unsecured: one line, exit code not 0",
    "security_node::security_is_enforced_or_the_node_does_not_start",
)


def test_security_is_enforced_or_the_node_does_not_start(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    monkeypatch.setenv("ROS_SECURITY_STRATEGY", "Enforce")
    monkeypatch.setenv("ROS_SECURITY_KEYSTORE", str(tmp_path / "keystore"))
    with monkeypatch.context(), open_rig_unsecured(name, tmp_path) as rig:
        node = rig.start_node(wait=False, pipeline="v4")
        wait_for(lambda: not node.running, 30, "it runs without security")
        assert node.wait() != 0
        said = [line for line in node.output.splitlines() if "ecur" in line or "keystore" in line]
        assert said, node.output
        SECURE.saw(f"exit code {node.wait()}: “{said[-1].strip()[:140]}”")


def open_rig_unsecured(name: str, folder: Path):
    """A rig whose own client does without security: its context is made before it is set."""
    kept = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith("ROS_SECURITY")}
    rig = open_rig(name, folder)
    entered = rig.__enter__()

    class Opened:
        def __enter__(self):
            os.environ.update(kept)
            return entered

        def __exit__(self, *error: object) -> None:
            rig.__exit__(None, None, None)

    return Opened()
