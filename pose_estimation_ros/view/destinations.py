"""Where a view goes: a window, a browser, a file, a viewer elsewhere."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import sys
import urllib.parse
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.view.recording import APPLICATION
from pose_estimation_ros.view.rerun_program import (
    LOOPBACK,
    RerunProgram,
    check_port,
    free_port,
    need_rerun,
)
from pose_estimation_ros.view.web_page import WebPage

_CONNECT_S = 3.0
_FLUSH_S = 10.0
_URL = "rerun+http://HOST:9876/proxy"
_LIMIT = re.compile(r"\d+(\.\d+)?\s*(%|[KMGT]i?B|B)")


@dataclass(frozen=True, slots=True)
class Destinations:
    """What was asked for; a window where nothing is.

    `port` is that of the page, and the next one that of its data.
    """

    save: Path | None = None
    web: bool = False
    address: str = LOOPBACK
    port: int = 9090
    connect: str = ""
    memory_limit: str = "512MB"

    def check(self, environment: Mapping[str, str]) -> None:
        """Checks what can be known before anything starts.

        Raises:
            ConfigError: Rerun or a display is missing, or a value cannot be followed.
        """
        need_rerun()
        if not _LIMIT.fullmatch(self.memory_limit):
            raise ConfigError(
                f"--memory-limit: '{self.memory_limit}' is no size: expected one such as 512MB, "
                "2GiB or 10%"
            )
        if self.web and self.connect:
            raise ConfigError("--web and --connect are two places for one view: choose one")
        if self.web:
            if not 1 <= self.port <= 65534:
                raise ConfigError(f"--port: {self.port} is not from 1 to 65534")
            for port in (self.port, self.port + 1):
                check_port(self.address, port, "--port")
        elif self.connect:
            _check_answers(self.connect)
        elif not self.save and not _has_display(environment):
            raise ConfigError(
                "there is no display here for a window (neither DISPLAY nor WAYLAND_DISPLAY is "
                "set): --web shows the view in a browser, --save run.rrd records it, and "
                f"--connect {_URL} sends it to a viewer on another machine"
            )
        if self.save and self.save.is_dir():
            raise ConfigError(f"--save: '{self.save}' is a folder: name a file, such as run.rrd")


def _has_display(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def _check_answers(url: str) -> None:
    """Raises ConfigError where the URL is none, or nobody answers there."""
    parts = urllib.parse.urlsplit(url)
    fits = re.fullmatch(r"rerun(\+https?)?", parts.scheme) and parts.path == "/proxy"
    try:
        port = parts.port or {"rerun+http": 80}.get(parts.scheme, 443)
    except ValueError:
        fits = False
    if not fits or not parts.hostname:
        raise ConfigError(f"--connect: '{url}' is no address of a viewer: expected {_URL}")
    try:
        socket.create_connection((parts.hostname, port), _CONNECT_S).close()
    except OSError as error:
        raise ConfigError(
            f"--connect: nobody answers at {parts.hostname}:{port} ({error}): start a viewer "
            f"there (rerun --bind 0.0.0.0 --port {port}), and open the port in its firewall"
        ) from error


class View:
    """Opens the destinations; closes them with the context.

    Attributes:
        stream: what is logged to (rerun.RecordingStream).
        notes: a line for each destination, for the user.
    """

    def __init__(self, wanted: Destinations) -> None:
        """Opens everything.

        Raises:
            InputError: the file cannot be written.
            PoseEstimationError: Rerun's program does not start.
        """
        import rerun as rr

        self.notes: list[str] = []
        self._program: RerunProgram | None = None
        self._closing = contextlib.ExitStack()
        self.stream: Any = rr.RecordingStream(APPLICATION, recording_id=uuid.uuid4())
        sinks: list[Any] = []
        try:
            if wanted.save:
                sinks.append(self._open_file(wanted.save))
            if wanted.web:
                sinks.append(rr.GrpcSink(self._open_page(wanted)))
            elif wanted.connect:
                sinks.append(rr.GrpcSink(wanted.connect))
                self.notes.append(f"sending to {wanted.connect}")
            elif not wanted.save:
                sinks.append(rr.GrpcSink(self._open_window(wanted)))
            self.stream.set_sinks(*sinks)
        except BaseException:
            self._closing.close()
            raise
        self._closing.callback(self._finish)

    def announce(self) -> None:
        """Tells on standard error where to look."""
        for note in self.notes:
            print(note, file=sys.stderr, flush=True)

    @property
    def ended(self) -> bool:
        """Whether the viewer was closed by its user."""
        return self._program is not None and self._program.ended

    @property
    def stays(self) -> bool:
        """Whether there is something to look at when the last frame has come."""
        return self._program is not None

    def _open_file(self, path: Path) -> Any:
        import rerun as rr

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("wb").close()
        except OSError as error:
            raise InputError(f"--save: cannot write '{path}': {error.strerror}") from error
        self.notes.append(f"recording to {path} (see it with: rerun {path})")
        return rr.FileSink(str(path))

    def _open_window(self, wanted: Destinations) -> str:
        port = free_port()
        limits = ("--memory-limit", wanted.memory_limit)
        words = (*limits, *_served(wanted), "--hide-welcome-screen", "--expect-data-soon")
        self._program = self._closing.enter_context(RerunProgram(port, *words))
        self.notes.append("showing it in a window; close it, or press Ctrl-C, to end")
        return f"rerun+http://{LOOPBACK}:{port}/proxy"

    def _open_page(self, wanted: Destinations) -> str:
        address, data_port = wanted.address, wanted.port + 1
        words = ["--serve-grpc", *_served(wanted)]
        if not _is_loopback(address):
            # Browsers name the page by which the data are asked for.
            words += ["--cors-allow-origin", f"http://*:{wanted.port}"]
        self._program = self._closing.enter_context(
            RerunProgram(data_port, *words, address=address)
        )
        page = WebPage(address, wanted.port, data_port)
        self._closing.callback(page.close)
        shown = f"[{address}]" if ":" in address else address
        anywhere = address in ("0.0.0.0", "::")  # nosec B104
        host = socket.gethostname() if anywhere else shown
        self.notes.append(f"open http://{host}:{wanted.port} in a browser; Ctrl-C ends it")
        if not _is_loopback(address):
            self.notes.append(
                f"whoever reaches ports {wanted.port} and {data_port} of this machine sees the "
                "camera: there is no password"
            )
        return f"rerun+http://{LOOPBACK if anywhere else shown}:{data_port}/proxy"

    def _finish(self) -> None:
        with contextlib.suppress(Exception):  # the viewer may have gone
            self.stream.flush(timeout_sec=_FLUSH_S)
        self.stream.disconnect()

    def close(self) -> None:
        """Writes what is on its way, and ends."""
        self._closing.close()

    def __enter__(self) -> View:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _served(wanted: Destinations) -> tuple[str, str]:
    """How much is kept for viewers that come later."""
    return ("--server-memory-limit", wanted.memory_limit)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
