"""The lifecycle of the node on a stage."""

from __future__ import annotations

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
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
