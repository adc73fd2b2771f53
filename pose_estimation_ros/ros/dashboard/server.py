"""The page's server: its files, the state as JSON and as events, the picture, the buttons."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pose_estimation_ros.ros.dashboard.access import Access
from pose_estimation_ros.ros.dashboard.controls import LIVE, Answer, parameters_table, typed
from pose_estimation_ros.ros.dashboard.node_watch import NodeWatch
from pose_estimation_ros.ros.dashboard.picture import FRAMES_A_SECOND

_STATIC = Path(__file__).parent / "static"
_EVENT_S = 0.5
_LONGEST_BODY = 10_000
_NO_NODE = Answer(False, "no node has been heard yet: start it, and try again")


class Pages:
    """What the server answers, of one watched node."""

    def __init__(self, watch: NodeWatch, ending: Callable[[], bool]) -> None:
        """`ending` says that the server is to end, so that no stream holds it up."""
        self._watch, self._ending = watch, ending

    def app(self, token: str, everywhere: bool) -> Starlette:
        """The application; `token` and `everywhere` as for `Access`."""
        return Starlette(
            routes=[
                Route("/", self._index),
                Route("/api/state", self._state),
                Route("/api/events", self._events),
                Route("/api/parameters", self._parameters),
                Route("/api/picture", self._picture),
                Route("/api/enabled", self._set_enabled, methods=["POST"]),
                Route("/api/reset", self._reset, methods=["POST"]),
                Route("/api/parameter", self._set_parameter, methods=["POST"]),
                # colcon --symlink-install leaves links in its place.
                Mount("/static", StaticFiles(directory=_STATIC, follow_symlink=True)),
            ],
            middleware=[Middleware(Access, token=token, everywhere=everywhere)],
        )

    async def _index(self, _request: Request) -> Response:
        return FileResponse(_STATIC / "index.html")

    async def _state(self, _request: Request) -> Response:
        return JSONResponse(self._watch.look())

    async def _parameters(self, _request: Request) -> Response:
        return JSONResponse(parameters_table())

    async def _events(self, _request: Request) -> Response:
        async def events() -> AsyncIterator[str]:
            while not self._ending():
                yield f"data: {json.dumps(self._watch.look(), allow_nan=False)}\n\n"
                await self._pause(_EVENT_S)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _picture(self, request: Request) -> Response:
        name = request.query_params.get("camera", "")
        if self._watch.picture(name) is None:
            return JSONResponse({"text": "there is no such camera"}, status_code=404)

        async def parts() -> AsyncIterator[bytes]:
            sent = 0
            yield b"--frame\r\n"
            while not self._ending() and (picture := self._watch.picture(name)) is not None:
                picture.ask()
                number, jpeg = picture.newest()
                if number != sent and picture.is_fresh:
                    sent = number
                    # With the next boundary, for which browsers wait before they show it.
                    yield b"Content-Type: image/jpeg\r\n\r\n" + jpeg + b"\r\n--frame\r\n"
                await self._pause(0.5 / FRAMES_A_SECOND)

        return StreamingResponse(parts(), media_type="multipart/x-mixed-replace; boundary=frame")

    async def _pause(self, seconds: float) -> None:
        """Sleeps, and wakes early when the server is to end."""
        left = seconds
        while left > 0 and not self._ending():
            await asyncio.sleep(min(left, 0.1))
            left -= 0.1

    async def _set_enabled(self, request: Request) -> Response:
        body = await _body(request)
        on = body.get("value")
        if not isinstance(on, bool):
            return _said(Answer(False, "expected value: true or false"))
        return await self._wish(lambda controls: controls.set_enabled(on))

    async def _reset(self, _request: Request) -> Response:
        return await self._wish(lambda controls: controls.reset())

    async def _set_parameter(self, request: Request) -> Response:
        body = await _body(request)
        setting = LIVE.get(str(body.get("name")))
        if setting is None:
            return _said(Answer(False, "no parameter of this name may change while the node runs"))
        try:
            value = typed(setting, body.get("value"))
        except ValueError as error:
            return _said(Answer(False, str(error)))
        return await self._wish(lambda controls: controls.set_parameter(setting, value))

    async def _wish(self, wish: Callable[[Any], Awaitable[Answer]]) -> Response:
        controls = self._watch.controls
        return _said(_NO_NODE if controls is None else await wish(controls))


async def _body(request: Request) -> dict[str, Any]:
    """The request's JSON object; an empty one where it is something else, or long."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _LONGEST_BODY:
            return {}
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _said(answer: Answer) -> Response:
    body = {"done": answer.done, "text": answer.text}
    return JSONResponse(body, status_code=200 if answer.done else 409)
