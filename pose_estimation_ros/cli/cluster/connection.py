"""The cluster: connecting to it, and a worker for each share of its cores."""

from __future__ import annotations

import logging
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from pose_estimation_ros.cli.cluster.worker import Worker
from pose_estimation_ros.errors import ConfigError, InputError

LOCAL = "local"
_ANSWERS_S = 5.0  # an address where Ray is
_READY_S = 120.0  # a worker with its models loaded
_STORE_BYTES = 256 * 2**20  # of objects, for a cluster that is started here


class Cluster:
    """Workers on a Ray cluster, each with the same models as the others.

    Attributes:
        ray: the library.
        workers: those that are alive.
        splits: whether a recording can be answered in segments.
        closed: whether it was ended.
    """

    def __init__(self, address: str, command: str, words: Sequence[str], cores: int) -> None:
        """Connects, or starts a cluster here where the address is "local"; starts the workers.

        Args:
            address: HOST:PORT of the head node, or "local".
            command: "bag" or "video"; words: of its command line.
            cores: of each worker.

        Raises:
            ConfigError: Ray is not installed, or workers and this program differ.
            InputError: no Ray answers there, or no worker starts.
        """
        try:
            import ray
        except ImportError as error:
            raise ConfigError(f"--cluster needs Ray ({error}): pip install 'ray[data]'") from error
        self.ray: Any = ray
        self.closed = False
        self._command, self._words, self._cores = command, list(words), cores
        self._free: queue.Queue[Any] = queue.Queue()
        self._lock = threading.Lock()
        self._connect(address)
        count = max(1, int(ray.cluster_resources().get("CPU", 1)) // cores)
        self._class = ray.remote(num_cpus=cores, max_restarts=0)(Worker)
        self.workers: list[Any] = [self._start() for _ in range(count)]
        try:
            self.splits = self._check()
        except BaseException:
            self.close()
            raise
        for worker in self.workers:
            self._free.put(worker)

    def take(self) -> Any:
        """A worker that is free, when there is one.

        Raises:
            InputError: there is none any more.
        """
        while True:
            if self.closed or not self.workers:
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
        threading.Thread(target=self._replace, daemon=True).start()

    def close(self) -> None:
        """Ends the workers, and the cluster if it was started here."""
        self.closed = True
        for worker in self.workers:
            self.ray.kill(worker)
        self.ray.shutdown()

    def _connect(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
        if address == LOCAL:
            options |= {
                "object_store_memory": _STORE_BYTES,
                "num_cpus": len(os.sched_getaffinity(0)),
            }
        else:
            _check_answers(address)
            options = {"address": address, "log_to_driver": False}
        try:
            self.ray.init(configure_logging=True, logging_level=logging.ERROR, **options)
        except Exception as error:  # whatever Ray raises
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"--cluster {address}: {reason}") from error

    def _start(self) -> Any:
        return self._class.remote(self._command, self._words)

    def _replace(self) -> None:
        """Starts a worker in place of one that was lost, if its machine is still there."""
        worker = self._start()
        try:
            self.ray.get(worker.about.remote(), timeout=_READY_S)
        except Exception:  # its machine is gone, too: the others do its work
            return
        with self._lock:
            if self.closed:
                return
            self.workers.append(worker)
        self._free.put(worker)

    def _check(self) -> bool:
        """Whether a recording can be split; waits until the workers have loaded their models."""
        end = time.monotonic() + _READY_S
        abouts = []
        for worker in self.workers:
            try:
                left = max(end - time.monotonic(), 0.1)
                abouts.append(self.ray.get(worker.about.remote(), timeout=left))
            except Exception as error:
                cause = getattr(error, "cause", None) or error
                reason = str(cause).strip().splitlines()[-1][:300] if str(cause) else repr(cause)
                raise InputError(f"a worker of the cluster does not start: {reason}") from error
        first = abouts[0]
        for other in abouts[1:]:
            for what in ("version", "models"):
                if other[what] != first[what]:
                    raise ConfigError(
                        f"the machines of the cluster differ: {what} {first[what]} on "
                        f"{first['node']}, {other[what]} on {other['node']}: install the same"
                    )
        return bool(first["splits"])


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
