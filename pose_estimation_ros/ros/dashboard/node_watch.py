"""Listens to one running node, through its being away and coming back."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from pose_estimation_ros.ros.dashboard import headline
from pose_estimation_ros.ros.dashboard.camera_watch import CameraWatch
from pose_estimation_ros.ros.dashboard.controls import Controls
from pose_estimation_ros.ros.dashboard.readings import PROCESS, node_and_part, process_readings
from pose_estimation_ros.ros.health.status_report import is_ours
from pose_estimation_ros.ros.log_folder import provide_log_folder

_log = logging.getLogger(__name__)
_BEAT_S = 0.25
_POLL_S = 1.0
_AWAY_S = 5.0  # without diagnostics, which come once a second
_MOST_CAMERAS = 64  # of what anybody on the domain may make up
_LEASE_S = 5.0  # after the last look at the page


class NodeWatch:
    """What the page shows of a node, gathered in a thread of its own.

    Only /diagnostics is listened to all the time; poses are while somebody looks at the page, and
    the picture while somebody looks at that.
    """

    def __init__(self, wanted: str = "") -> None:
        """Starts listening.

        Args:
            wanted: the node's namespace or full name; empty: whichever is heard first.
        """
        self._wanted = f"/{wanted.strip('/')}" if wanted.strip("/") else ""
        self._lock = threading.Lock()
        self._looked_s = self._heard_s = self._polled_s = float("-inf")
        self._name = ""
        self._others: dict[str, float] = {}
        self._process: DiagnosticStatus | None = None
        self._cameras: dict[str, CameraWatch] = {}
        self.controls: Controls | None = None
        self._context = rclpy.Context()
        self._context.init(args=provide_log_folder())
        self._node = rclpy.create_node(
            f"pose_estimation_dashboard_{os.getpid()}",
            context=self._context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self._node.create_timer(_BEAT_S, self._beat)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="dashboard", daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while self._context.ok():
            try:
                self._executor.spin()
                return  # it was shut down
            except ExternalShutdownException:
                return
            except Exception as error:  # the page lives on whatever one message did
                _log.warning("a message was passed over: %s: %s", type(error).__name__, error)

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(2.0)
        self._node.destroy_node()
        self._context.try_shutdown()

    # rclpy's thread

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        now_s = time.monotonic()
        with self._lock:
            for status in message.status:
                if is_ours(status):
                    self._take(status, now_s)

    def _take(self, status: DiagnosticStatus, now_s: float) -> None:
        node, part = node_and_part(status)
        if node != self._name and not self._adopt(node, now_s):
            self._others[node] = now_s
            return
        self._heard_s = now_s
        if part == PROCESS:
            self._process = status
            return
        if part not in self._cameras:
            if len(self._cameras) >= _MOST_CAMERAS:
                return
            self._cameras[part] = CameraWatch(self._node, part)
        self._cameras[part].status, self._cameras[part].heard_s = status, now_s

    def _adopt(self, node: str, now_s: float) -> bool:
        """Whether this is the node to watch from now on: one asked for, and no other speaks."""
        fits = not self._wanted or self._wanted in (node, node.rpartition("/")[0])
        if not fits or now_s - self._heard_s < _AWAY_S:
            return False
        self._leave()
        self._name = node
        self._others.pop(node, None)
        self.controls = Controls(self._node, node)
        return True

    def _leave(self) -> None:
        for camera in self._cameras.values():
            camera.close()
        self._cameras.clear()
        self._process = None
        if self.controls is not None:
            self.controls.close()

    def _beat(self) -> None:
        now_s = time.monotonic()
        with self._lock:
            self._others = {k: v for k, v in self._others.items() if now_s - v < _AWAY_S}
            if self.controls is None:
                return
            looked_at = now_s - self._looked_s < _LEASE_S
            if now_s - self._heard_s > _AWAY_S:
                self.controls.forget()
                looked_at = False
            else:
                self._drop_old_cameras(now_s)
            if looked_at and now_s - self._polled_s > _POLL_S:
                self._polled_s = now_s
                self.controls.poll()
            published = self._published() if looked_at else {}
            for camera in self._cameras.values():
                camera.beat(looked_at, published, len(self._cameras) == 1)

    def _drop_old_cameras(self, now_s: float) -> None:
        """Those of before a restart with others, or of before a cleanup."""
        for name, camera in list(self._cameras.items()):
            if now_s - camera.heard_s > _AWAY_S:
                self._cameras.pop(name).close()

    def _published(self) -> dict[str, list[str]]:
        namespace, _, name = self._name.rpartition("/")
        try:
            topics = self._node.get_publisher_names_and_types_by_node(name, namespace or "/")
        except Exception:  # rclpy: the node is not in the graph (yet, or any more)
            return {}
        return dict(topics)

    # Any thread

    def picture(self, name: str) -> Any:
        """The live picture of a camera, by its name, at which somebody looks; None where there is
        no such camera.
        """
        self._looked_s = time.monotonic()
        with self._lock:
            camera = self._cameras.get(name)
            return None if camera is None else camera.picture

    def look(self) -> dict[str, Any]:
        """Says that somebody looks at the page, and gives what it shows."""
        now_s = time.monotonic()
        self._looked_s = now_s
        with self._lock:
            return self._state(now_s)

    def _state(self, now_s: float) -> dict[str, Any]:
        silent_s = now_s - self._heard_s
        alive = silent_s < _AWAY_S
        cameras = [camera.readings() for _, camera in sorted(self._cameras.items())]
        process = process_readings(self._process) if self._process is not None else {}
        lifecycle = self.controls.lifecycle if self.controls is not None and alive else ""
        if not self._name:
            head = headline.no_node(self._wanted, sorted(self._others))
        elif not alive:
            head = headline.gone(self._name, silent_s)
        else:
            # Of a node whose services do not answer, diagnostics begin with the state.
            said = lifecycle or process.get("message", "").partition(":")[0]
            head = headline.of_node(said, process, cameras)
        return {
            "node": self._name,
            "wanted": self._wanted,
            "others": sorted(self._others),
            "alive": alive,
            "heard_s_ago": round(silent_s, 1) if self._name else None,
            "lifecycle": lifecycle,
            "enabled": any(camera["enabled"] for camera in cameras) if cameras and alive else None,
            "headline": head,
            "process": process,
            "cameras": cameras,
            "parameters": self.controls.values if self.controls is not None else {},
        }
