"""Calls of the services of the node on a stage."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from stage import Stage


def change(stage: Stage, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    response = stage.call(ChangeState, "pose_estimation/change_state", request)
    assert response is not None, "change_state did not answer"
    return bool(response.success)


def state(stage: Stage) -> int:
    response = stage.call(GetState, "pose_estimation/get_state", GetState.Request())
    assert response is not None, "get_state did not answer"
    return int(response.current_state.id)


def set_parameters(stage: Stage, **values: Any) -> list[bool]:
    """Sets parameters of the node one by one; whether each was taken."""
    parameters = [Parameter(k, value=v).to_parameter_msg() for k, v in values.items()]
    request = SetParameters.Request(parameters=parameters)
    response = stage.call(SetParameters, "pose_estimation/set_parameters", request)
    assert response is not None, "set_parameters did not answer"
    return [result.successful for result in response.results]
