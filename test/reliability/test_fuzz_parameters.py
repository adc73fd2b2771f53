"""Parameter sets that nobody thought of, on a real node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rclpy
from fuzzing import fuzz, within
from hypothesis import given
from hypothesis import strategies as st
from rclpy.parameter import Parameter
from rows import row

from pose_estimation_ros.ros.declared_parameters import SETTINGS
from pose_estimation_ros.ros.node import PoseEstimationNode

AREA = "Fuzzing"
PARAMETERS = row(
    AREA,
    "parameter sets: any value of any type for any parameter",
    "taken where the README allows it, else refused with a reason; every value stays in range",
    "fuzz_parameters::fuzz_parameter_sets",
)
values = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 300),
    st.floats(),
    st.floats(0, 1),
    st.text(max_size=10).filter(lambda text: "\0" not in text),
    st.lists(st.integers(-3, 3), min_size=1, max_size=3),
    st.lists(st.floats(), min_size=1, max_size=3),
    st.none(),
)
names = st.sampled_from(list(SETTINGS))


@pytest.fixture
def node() -> Iterator[PoseEstimationNode]:
    context = rclpy.get_default_context()
    rclpy.init(args=["--ros-args", "-r", "__ns:=/fuzz_parameters"])
    made = PoseEstimationNode()
    yield made
    made.destroy_node()
    rclpy.try_shutdown()
    assert not context.ok()


def test_fuzz_parameter_sets(node: PoseEstimationNode) -> None:
    seen = {"taken": 0, "refused": 0}

    @fuzz(short=300, full=3000)
    @given(st.dictionaries(names, values, min_size=1, max_size=4), st.booleans())
    def run(wanted: dict, together: bool) -> None:
        parameters = [Parameter(name, value=value) for name, value in wanted.items()]
        with within(10):
            if together:
                results = [node.set_parameters_atomically(parameters)]
            else:
                results = node.set_parameters(parameters)
        for result in results:
            assert result.successful or result.reason
            seen["taken" if result.successful else "refused"] += 1
        for spec in SETTINGS.values():
            value = node.get_parameter(spec.name).value
            assert isinstance(value, type(spec.default)), spec.name
            assert not spec.refusal(value, spec.name)

    run()
    assert min(seen.values()) > 0
    PARAMETERS.saw(f"{seen['taken']} taken, {seen['refused']} refused")
