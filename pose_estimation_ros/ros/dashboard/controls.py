"""The node's services and parameters, for the page's buttons and fields."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from std_srvs.srv import SetBool, Trigger

from pose_estimation_ros.ros.declared_parameters import SETTINGS
from pose_estimation_ros.settings import Setting

LIVE = {name: setting for name, setting in SETTINGS.items() if setting.live}
_ANSWER_S = 5.0
_SERVICES = {
    "set_enabled": SetBool,
    "reset_tracking": Trigger,
    "set_parameters": SetParameters,
    "get_parameters": GetParameters,
    "get_state": GetState,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the node, or this page in its place, said to a wish."""

    done: bool
    text: str


class Controls:
    """Clients of one node's services.

    What is awaited belongs to the server's loop, the rest to rclpy's thread.
    """

    def __init__(self, node: Node, name: str) -> None:
        self._node, self._name = node, name
        self._clients = {
            service: node.create_client(kind, f"{name}/{service}")
            for service, kind in _SERVICES.items()
        }
        self._asked: dict[str, tuple[float, Any]] = {}
        self.lifecycle = ""
        self.values: dict[str, Any] = {}

    def close(self) -> None:
        for client in self._clients.values():
            self._node.destroy_client(client)

    def poll(self) -> None:
        """Asks for the lifecycle's state and the parameters; the answers come by themselves."""
        self._ask("get_state", GetState.Request(), self._on_state)
        self._ask("get_parameters", GetParameters.Request(names=list(LIVE)), self._on_parameters)

    def forget(self) -> None:
        """Forgets what was heard of a node that is away, and what it was asked."""
        self.lifecycle, self.values = "", {}
        for service, (_, future) in self._asked.items():
            self._clients[service].remove_pending_request(future)
        self._asked.clear()

    def _ask(self, service: str, request: Any, take: Callable[[Any], None]) -> None:
        client, now_s = self._clients[service], time.monotonic()
        asked_s, before = self._asked.get(service, (now_s, None))
        if before is not None and not before.done():
            if now_s - asked_s < _ANSWER_S:
                return
            client.remove_pending_request(before)  # the answer was lost
        if not client.service_is_ready():
            return
        future = client.call_async(request)
        self._asked[service] = (now_s, future)
        future.add_done_callback(lambda done: take(done.result()) if done.result() else None)

    def _on_state(self, response: GetState.Response) -> None:
        self.lifecycle = response.current_state.label

    def _on_parameters(self, response: GetParameters.Response) -> None:
        values = [parameter_value_to_python(value) for value in response.values]
        self.values = dict(zip(LIVE, values, strict=True)) if values else {}

    async def set_enabled(self, on: bool) -> Answer:
        """Enables or disables the node."""
        response = await self._call("set_enabled", SetBool.Request(data=on))
        return _silent(self._name) if response is None else _of(response.success, response.message)

    async def reset(self) -> Answer:
        """Starts identities anew."""
        response = await self._call("reset_tracking", Trigger.Request())
        return _silent(self._name) if response is None else _of(response.success, response.message)

    async def set_parameter(self, setting: Setting, value: Any) -> Answer:
        """Sets a parameter; a value of the wrong type or range is refused in the node's words."""
        parameter = Parameter(setting.name, value=value).to_parameter_msg()
        response = await self._call(
            "set_parameters", SetParameters.Request(parameters=[parameter])
        )
        if response is None:
            return _silent(self._name)
        result = response.results[0]
        if result.successful:
            self.values = {**self.values, setting.name: value}
            return Answer(True, f"{setting.name} is now {_shown(value)}")
        return Answer(False, result.reason or f"{self._name} refused {setting.name}")

    async def _call(self, service: str, request: Any) -> Any:
        """The response; None where there is none in time."""
        client = self._clients[service]
        if not client.service_is_ready():
            return None
        loop = asyncio.get_running_loop()
        answered = asyncio.Event()

        def wake(_: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(answered.set)

        future = client.call_async(request)
        future.add_done_callback(wake)
        try:
            await asyncio.wait_for(answered.wait(), _ANSWER_S)
        except asyncio.TimeoutError:
            client.remove_pending_request(future)
            return None
        return future.result()


def _of(done: bool, text: str) -> Answer:
    return Answer(bool(done), text)


def _silent(node: str) -> Answer:
    return Answer(False, f"{node} does not answer: see above how it is, and try again")


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def parameters_table() -> list[dict[str, Any]]:
    """What the page needs to make a field of every parameter that may change at run time."""
    kinds = {bool: "bool", int: "int", float: "float", str: "str"}
    return [
        {
            "name": setting.name,
            "kind": kinds[type(setting.default)],
            "help": setting.help,
            "default": setting.default,
            "range": setting.range,
            "choices": list(setting.choices),
            "unit": setting.unit,
        }
        for setting in LIVE.values()
    ]


def typed(setting: Setting, value: Any) -> Any:
    """A value of the page as one of the parameter's type.

    Raises:
        ValueError: it is none; the text says what was expected.
    """
    kind = type(setting.default)
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return value
    if kind in (int, float) and not isinstance(value, bool):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            number = kind(value)
            if abs(number) < 2**63:
                return number
    expected = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    raise ValueError(f"{setting.name}: expected {expected[kind]}")
