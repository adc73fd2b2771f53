"""Who may open the page and press its buttons: a real server, and requests as they stand."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from dashboard import Dashboard
from processes import open_rig

pytestmark = pytest.mark.processes

_COMMAND = [sys.executable, "-m", "pose_estimation_ros.cli.main", "dashboard"]
_JSON = {"Content_Type": "application/json"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dashboard, Dashboard]]:
    """One for this machine alone, and one for others, too."""
    with open_rig("access", tmp_path_factory.mktemp("access")) as rig:
        yield Dashboard(rig), Dashboard(rig, "--address", "0.0.0.0")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "127.0.0.1:1234", "localhost:80"]
)
def test_names_of_this_machine_are_answered(
    servers: tuple[Dashboard, Dashboard], host: str
) -> None:
    """With other ports, too, as through an ssh tunnel."""
    status, body, headers = servers[0].ask("GET", "/api/state", Host=host)
    assert status == 200
    assert json.loads(body)["headline"]["title"] == "No node"
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8088", "192.168.1.5", "", "[", "127.0.0.1.evil.example"]
)
def test_foreign_names_are_refused(servers: tuple[Dashboard, Dashboard], host: str) -> None:
    """As a name gives them whose owner has it point here (DNS rebinding)."""
    assert servers[0].ask("GET", "/api/state", Host=host)[0] in (400, 421)


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Origin": "http://evil.example", **_JSON}, 403),
        ("POST", {"Origin": "null", **_JSON}, 403),
        ("POST", {"Sec_Fetch_Site": "cross-site", **_JSON}, 403),
        ("POST", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", **_JSON}, 403),
        ("POST", {"Sec_Fetch_Site": "same-site", **_JSON}, 403),
        ("POST", {"Content_Type": "text/plain"}, 415),
        ("POST", {"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ("POST", {}, 415),
        ("GET", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ("GET", {"Origin": "http://evil.example"}, 403),
        # What the page itself and programs on this machine send; there is no node to do it.
        ("POST", {"Sec_Fetch_Site": "same-origin", **_JSON}, 409),
        ("POST", _JSON, 409),
    ],
)
def test_other_web_pages_press_no_buttons(
    servers: tuple[Dashboard, Dashboard], method: str, headers: dict[str, str], status: int
) -> None:
    path = "/api/reset" if method == "POST" else "/api/state"
    assert servers[0].ask(method, path, "{}" if method == "POST" else None, **headers)[0] == status


def test_the_same_origin_is_that_of_the_page(servers: tuple[Dashboard, Dashboard]) -> None:
    own = {"Host": "localhost:9000", "Origin": "http://localhost:9000", **_JSON}
    assert servers[0].ask("POST", "/api/reset", "{}", **own)[0] == 409
    other = {"Host": "localhost:9000", "Origin": "http://localhost:9001", **_JSON}
    assert servers[0].ask("POST", "/api/reset", "{}", **other)[0] == 403


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("/api/enabled", '{"value": 1}', "expected value: true or false"),
        ("/api/enabled", "[", "expected value: true or false"),
        ("/api/enabled", "[" * 200_000, "expected value: true or false"),
        ("/api/parameter", '{"name": "models", "value": "x"}', "no parameter of this name"),
        ("/api/parameter", '{"name": "max_persons", "value": "1e999"}', "expected a whole number"),
        ("/api/parameter", '{"name": "max_persons", "value": true}', "expected a whole number"),
        ("/api/parameter", '{"name": "report_lost", "value": "yes"}', "expected true or false"),
        ("/api/parameter", '{"name": "max_persons", "value": 3}', "no node has been heard yet"),
    ],
)
def test_what_is_no_wish_is_said_so(
    servers: tuple[Dashboard, Dashboard], path: str, body: str, text: str
) -> None:
    status, said, _ = servers[0].ask("POST", path, body, **_JSON)
    assert status == 409
    assert text in json.loads(said)["text"]


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e/server.py", "/docs", "/api/picture?camera=x"]
)
def test_there_is_nothing_else(servers: tuple[Dashboard, Dashboard], path: str) -> None:
    assert servers[0].ask("GET", path)[0] == 404


def test_elsewhere_a_token_is_demanded(servers: tuple[Dashboard, Dashboard]) -> None:
    server = servers[1]
    token = parse_qs(urlsplit(server.url).query)["token"][0]
    assert len(token) >= 32
    for path in (
        "/",
        "/api/state",
        "/api/picture",
        "/static/page.js",
        "/?token=wrong",
        "/?token=%ff",
    ):
        assert server.ask("GET", path)[0] == 401
    assert server.ask("POST", "/api/reset", "{}", **_JSON)[0] == 401
    status, _, headers = server.ask("GET", f"/?token={token}")
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"]
    assert "httponly" in cookie.lower() and "samesite=lax" in cookie.lower()
    kept = cookie.partition(";")[0]
    assert server.ask("GET", "/", Cookie=kept)[0] == 200
    assert server.ask("GET", "/api/state", Cookie=f"other={{}}; {kept}")[0] == 200
    assert server.ask("GET", "/api/state", Authorization=f"Bearer {token}")[0] == 200
    assert server.ask("GET", "/api/state", Authorization="Bearer wrong")[0] == 401
    evil = {"Cookie": kept, "Host": "evil.example"}
    assert server.ask("GET", "/api/state", **evil)[0] == 421


def _error(*arguments: str, code: str = "", **environment: str) -> str:
    """The one line that the command fails with."""
    command = [sys.executable, "-c", code] if code else [*_COMMAND, *arguments]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )
    assert run.returncode == 1
    lines = run.stderr.splitlines()
    assert len(lines) == 1, run.stderr
    return lines[0]


def test_a_port_in_use_and_a_foreign_address_are_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = _error("--port", str(taken.getsockname()[1]))
    assert line.startswith("pose_estimation dashboard: error: cannot listen on 127.0.0.1, port ")
    assert "(Address already in use): choose another --port" in line
    assert "70000" in _error("--port", "70000")
    assert "192.0.2.1" in _error("--address", "192.0.2.1")


def test_a_short_token_is_refused() -> None:
    assert "16 characters or more" in _error("--token", "short")
    assert "16 characters or more" in _error(POSE_ESTIMATION_DASHBOARD_TOKEN="a b" * 10)


def test_without_starlette_a_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['starlette'] = None\n"
        "from pose_estimation_ros.cli.main import main; sys.exit(main(['dashboard']))"
    )
    assert _error(code=code).endswith(": pip install starlette uvicorn")
