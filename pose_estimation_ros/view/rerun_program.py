"""Rerun's own program: a window, or the server that keeps what browsers ask for."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from pose_estimation_ros.errors import ConfigError, PoseEstimationError

_START_S, _STOP_S, _POLL_S = 20.0, 5.0, 0.05
LOOPBACK = "127.0.0.1"
_HOW = (
    "pip install rerun-sdk; beside a sourced ROS 2, which has NumPy 1: pip install attrs pillow "
    "psutil 'pyarrow<26' typing-extensions && pip install --no-deps rerun-sdk"
)


def need_rerun() -> None:
    """Checks that Rerun is installed.

    Raises:
        ConfigError: it is not; the text says what to install.
    """
    try:
        import rerun
    except ImportError as error:
        raise ConfigError(f"the view needs Rerun ({error}): {_HOW}") from error
    if not hasattr(rerun, "RecordingStream"):  # another package has that name on PyPI
        raise ConfigError(f"the installed package 'rerun' is not Rerun's SDK: {_HOW}")


def program() -> str:
    """The path of Rerun's program.

    Raises:
        ConfigError: there is none.
    """
    try:
        import rerun_cli

        beside = Path(rerun_cli.__file__).with_name("rerun")
        found = str(beside) if beside.is_file() else shutil.which("rerun")
    except ImportError:
        found = shutil.which("rerun")
    if not found:
        raise ConfigError(f"Rerun's program 'rerun' is not installed: {_HOW}")
    return found


def check_port(address: str, port: int, option: str) -> None:
    """Checks that a port is free.

    Raises:
        ConfigError: it is in use, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.create_server((address, port), family=family).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{option}: port {port} of {address} cannot be had ({reason}): name another"
        ) from error


def free_port() -> int:
    """A port of the loopback interface that nobody has at this moment."""
    with socket.create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class RerunProgram:
    """A process of Rerun's program that answers at a port; ends with the context.

    It collects no usage data: it is given a configuration of its own that says so.
    """

    def __init__(self, port: int, *arguments: str, address: str = LOOPBACK) -> None:
        """Starts it and waits until it answers.

        Raises:
            PoseEstimationError: it ends at once; the text is what it said.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="pose_estimation_view_")
        configuration = Path(self._folder.name) / "rerun" / "analytics.json"
        configuration.parent.mkdir()
        configuration.write_text(
            json.dumps({"analytics_enabled": False, "analytics_id": "", "metadata": {}})
        )
        words = [program(), "--port", str(port), "--bind", address, *arguments]
        self._log = Path(self._folder.name) / "rerun.log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "XDG_CONFIG_HOME": self._folder.name, "NO_COLOR": "1"},
                start_new_session=True,  # Ctrl-C is this command's: it ends the program in order
            )
        try:
            self._await(LOOPBACK if address in ("0.0.0.0", "::") else address, port)  # nosec B104
        except BaseException:
            self.close()
            raise

    @property
    def ended(self) -> bool:
        """Whether it has ended, as when its window was closed."""
        return self._process.poll() is not None

    def _await(self, address: str, port: int) -> None:
        end_s = time.monotonic() + _START_S
        while time.monotonic() < end_s:
            if self.ended:
                lines = [line for line in self._log.read_text().splitlines() if line.strip()]
                said = lines[-1].strip() if lines else f"exit code {self._process.returncode}"
                raise PoseEstimationError(f"Rerun's program ended at once: {said}")
            try:
                socket.create_connection((address, port), 1.0).close()
                return
            except OSError:
                time.sleep(_POLL_S)
        raise PoseEstimationError(f"Rerun's program does not answer at port {port}")

    def close(self) -> None:
        """Ends it, and removes what it wrote."""
        if not self.ended:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> RerunProgram:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
