"""The node as a part of another program: several in one process, each its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from std_srvs.srv import SetBool

from pose_estimation_ros.engine.execution.daemon_threads import DaemonThreads
from pose_estimation_ros.ros import log_lines
from pose_estimation_ros.ros.node import PoseEstimationNode


@pytest.fixture
def context() -> Iterator[Context]:
    context = Context()
    rclpy.init(args=[], context=context)
    yield context
    rclpy.try_shutdown(context=context)


def test_its_constructor_takes_what_rclpys_takes(context: Context) -> None:
    overrides = [Parameter("pipeline", value="v3"), Parameter("max_persons", value=7)]
    node = PoseEstimationNode(
        "poses", namespace="robot", context=context, parameter_overrides=overrides
    )
    try:
        assert node.get_fully_qualified_name() == "/robot/poses"
        assert node.get_parameter("max_persons").value == 7
    finally:
        node.destroy_node()


def test_a_switched_off_node_stays_off_until_it_is_switched_on(context: Context) -> None:
    def switch(data: bool) -> SetBool.Response:
        return node._on_set_enabled(SetBool.Request(data=data), SetBool.Response())

    node = PoseEstimationNode(
        context=context, parameter_overrides=[Parameter("runtime", value="onnxruntime")]
    )
    try:
        answer = switch(False)
        assert answer.success and answer.message == "disabled"
        for _ in range(2):
            assert node.trigger_configure() == node.trigger_cleanup()
        node.trigger_configure()
        assert [camera.enabled for camera in node._cameras] == [False]
        assert switch(True).message == "enabled"
        assert [camera.enabled for camera in node._cameras] == [True]
        node.trigger_cleanup()
    finally:
        node.destroy_node()


def test_the_qos_of_outputs_may_be_overridden(context: Context) -> None:
    topics = ("/poses", "/image_annotated", "/markers")
    overrides = [
        Parameter(f"qos_overrides.{topic}.publisher.durability", value="transient_local")
        for topic in topics
    ]
    overrides.append(Parameter("runtime", value="onnxruntime"))
    node = PoseEstimationNode(context=context, parameter_overrides=overrides)
    try:
        node.trigger_configure()
        deadline = time.monotonic() + 10
        for topic in topics:
            while not (found := node.get_publishers_info_by_topic(topic)):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert found[0].qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
            assert found[0].qos_profile.reliability == ReliabilityPolicy.RELIABLE
        node.trigger_cleanup()
    finally:
        node.destroy_node()


class _Logger:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.info = self.warning = self.error = self.lines.append


def test_each_of_two_nodes_logs_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    package = logging.getLogger("pose_estimation_ros")
    monkeypatch.setattr(package, "handlers", [])
    monkeypatch.setattr(package, "propagate", False)
    first, second = _Logger(), _Logger()
    here = [log_lines.forward_logs(logger) for logger in (first, second)]
    threads = DaemonThreads(1, "shared")
    for name, log_here in zip(("first", "second"), here, strict=True):
        log_here()
        package.warning("by %s", name)
        threads.submit(lambda name=name: package.warning("by a thread of %s", name)).result(10)
    threads.close(10)
    assert first.lines == ["by first", "by a thread of first"]
    assert second.lines == ["by second", "by a thread of second"]
