"""The cluster: connecting to it, and a worker for each share of its cores."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from pose_estimation_ros.cli.cluster.worker import Worker
from pose_estimation_ros.engine.execution.cpu_features import usable_cores
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.package_files import version

LOCAL = "local"
_JOIN = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False)"
_JOIN_LIMITS = (  # in s, read by Ray
    "RAY_gcs_server_port_wait_time_s",
    "RAY_gcs_rpc_server_connect_timeout_s",
    "RAY_gcs_rpc_server_reconnect_timeout_s",
)
_JOINED_S = 30.0
_ANSWERS_S = 5.0  # an address where Ray is
_READY_S = 120.0  # a worker with its models loaded
_STORE_BYTES = 256 * 2**20  # of objects, for a cluster that is started here


class Cluster:
    """Workers on a Ray cluster, each with the same models as the others.

    Attributes:
        ray: the library.
        workers: those that are alive and have loaded their models.
        size: how many the cluster has cores for; they come as cores become free.
        closed: whether it was ended.
    """

    def __init__(
        self, address: str, command: str, words: Sequence[str], cores: int, most: int = 0
    ) -> None:
        """Connects, or starts a cluster here where the address is "local"; awaits a worker.

        Args:
            address: HOST:PORT of the head node, or "local".
            command: "bag" or "video"; words: of its command line.
            cores: of each worker; most: workers, 0 for as many as there are cores for.

        Raises:
            ConfigError: Ray is not installed, or workers and this program differ.
            InputError: no Ray answers there, or no worker starts.
        """
        # After the end a thread that still asks would start another cluster.
        os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
        if address == LOCAL:
            # Ray listens on all interfaces, and runs whatever it is sent: not without a token.
            # It reads both as it is imported.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        try:
            import ray
        except ImportError as error:
            raise ConfigError(f"--cluster needs Ray ({error}): pip install 'ray[data]'") from error
        self.ray: Any = ray
        self.closed = False
        self._command, self._words, self._cores = command, list(words), cores
        self._free: queue.Queue[Any] = queue.Queue()
        self._lock = threading.Lock()
        self.workers: list[Any] = []
        self._first: dict[str, Any] = {}  # what the first worker said of itself
        self._joining: list[threading.Thread] = []
        self._started: list[Any] = []  # every worker, also those that have yet to join
        self._refused = ""  # why the last one did not join
        self._connect(address)
        room = max(1, int(ray.cluster_resources().get("CPU", 1)) // cores)
        self.size = min(room, most) if most else room
        self._class = ray.remote(num_cpus=cores, max_restarts=0)(Worker)
        try:
            for _ in range(self.size):
                self._add_worker()
            self._await_first()
        except BaseException:
            self.close()
            raise

    @property
    def splits(self) -> bool:
        """Whether a recording can be answered in segments."""
        return bool(self._first["splits"])

    def take(self) -> Any:
        """A worker that is free, when there is one.

        Raises:
            InputError: there is none any more.
        """
        end = time.monotonic() + _READY_S  # for another one where the last is lost
        while True:
            if self.workers:
                end = time.monotonic() + _READY_S
            if self.closed or not (self.workers or self._may_join()) or time.monotonic() > end:
                raise InputError("no worker is left: start the cluster anew, and give --resume")
            try:
                return self._free.get(timeout=0.5)
            except queue.Empty:
                continue

    def give_back(self, worker: Any) -> None:
        """The worker is free again."""
        self._free.put(worker)

    def lose(self, worker: Any, reason: str) -> None:
        """The worker is gone; another one is started where there is room for it."""
        with self._lock:
            if worker in self.workers:
                self.workers.remove(worker)
            if self.closed:
                return
            print(f"note: a worker was lost: {reason}", file=sys.stderr, flush=True)
        self._add_worker()

    def stop(self) -> None:
        """Ends the workers: what is asked of them fails, and nothing more can be."""
        with self._lock:
            self.closed = True
        for worker in self._started:
            # Whatever Ray raises where the cluster, or a part of it, has gone already.
            with contextlib.suppress(Exception):
                self.ray.kill(worker)

    def close(self) -> None:
        """Ends the workers, and the cluster if it was started here."""
        self.stop()
        # Ray ends the whole program where a thread still asks it something after its end.
        for thread in self._joining:
            thread.join(timeout=_ANSWERS_S)
        with contextlib.suppress(Exception):
            self.ray.shutdown()

    def _connect(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
        if address == LOCAL:
            options |= {
                "address": LOCAL,  # otherwise Ray joins a cluster that happens to run here
                "_node_ip_address": "127.0.0.1",
                "object_store_memory": _STORE_BYTES,
                "num_cpus": usable_cores(),
            }
        else:
            _check_answers(address)
            options = {"address": address, "log_to_driver": False}
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            self.ray.init(configure_logging=True, logging_level=logging.ERROR, **options)
        except Exception as error:  # whatever Ray raises
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"--cluster {address}: {reason}") from error

    def _add_worker(self) -> None:
        """Starts a worker, which joins the others when it has loaded its models."""
        thread = threading.Thread(target=self._join, daemon=True)
        self._joining.append(thread)
        thread.start()

    def _may_join(self) -> bool:
        return any(thread.is_alive() for thread in self._joining)

    def _join(self) -> None:
        try:
            kind: Any = self._class
            with self._lock:
                if self.closed:
                    return
                worker = kind.remote(self._command, self._words)
                self._started.append(worker)
            about = self.ray.get(worker.about.remote())
        except Exception as error:  # closed, or whatever the worker raised as it started
            cause = str(getattr(error, "cause", None) or error).strip()
            self._refused = (cause.splitlines() or [type(error).__name__])[-1][:300]
            return
        with self._lock:
            self._first = self._first or {**about, "version": version()}
            for what in ("version", "models"):
                if about[what] != self._first[what]:
                    self._refused = (
                        f"the machines of the cluster differ: {what} {about[what]} on "
                        f"{about['node']}, and {self._first[what]} elsewhere: install the same; "
                        "this one is left out"
                    )
                    print(f"note: {self._refused}", file=sys.stderr, flush=True)
                    return
            self.workers.append(worker)
        self._free.put(worker)

    def _await_first(self) -> None:
        end = time.monotonic() + _READY_S
        while not self.workers:
            if not self._may_join():
                raise InputError(f"no worker of the cluster starts: {self._refused}")
            if time.monotonic() > end:
                raise InputError(
                    f"no worker of the cluster started within {_READY_S:.0f} s: are all its cores "
                    "taken? `ray status` says by whom; --cores takes fewer of them"
                )
            time.sleep(0.05)


def _check_answers(address: str) -> None:
    """Raises InputError where nobody listens; Ray itself would try for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--cluster {address}: expected HOST:PORT, or {LOCAL}")
    try:
        socket.create_connection((host, int(port)), _ANSWERS_S).close()
    except OSError as error:
        raise InputError(
            f"--cluster {address}: nobody answers there ({error.strerror or error}): start Ray "
            f"with `ray start --head`, or give --cluster {LOCAL}"
        ) from error
    # Where something else listens, Ray tries for minutes and then ends its process, so that is
    # tried in another one. Short limits here would end a long run at the network's first pause.
    limits = dict.fromkeys(_JOIN_LIMITS, "4")
    command = [sys.executable, "-c", _JOIN, address]
    try:
        code = subprocess.run(
            command, env={**os.environ, **limits}, capture_output=True, timeout=_JOINED_S
        ).returncode
    except subprocess.TimeoutExpired:
        code = 1
    if code:
        raise InputError(
            f"--cluster {address}: what listens there is no Ray of this version: give the address "
            "that `ray start --head` printed (one started on 127.0.0.1 is not found)"
        )
