"""Finds the cameras of a namespace's node, and hands on what they see."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile

from pose_estimation_ros.ros.health.status_report import is_ours
from pose_estimation_ros.ros.viewing.camera_view import CameraView
from pose_estimation_ros.ros.viewing.frame_places import FramePlaces
from pose_estimation_ros.view.recording import ViewRecording

_POSES = "pose_estimation_ros/msg/PoseArray"
_OF_CAMERA = "/poses"
_UNKNOWN = "_NODE_NAMESPACE_UNKNOWN_"


class NodeView:
    """Subscribes to the poses, images and diagnostics of a namespace, and logs them to Rerun."""

    def __init__(self, node: Node, namespace: str, stream: Any, rate: float) -> None:
        """`stream` is Rerun's, `rate` the most frames a second and camera, 0 for all."""
        self._node, self._rate = node, rate
        self._namespace = f"/{namespace.strip('/')}"
        self._recording = ViewRecording(stream, since_epoch=True)
        self._places = FramePlaces(node)
        self._cameras: dict[str, CameraView] = {}
        node.create_subscription(
            DiagnosticArray, "/diagnostics", self._take_diagnostics, QoSProfile(depth=10)
        )

    @property
    def frames(self) -> int:
        """How many were shown."""
        return sum(camera.frames for camera in self._cameras.values())

    @property
    def rest_s(self) -> float:
        """How long nothing that comes will be shown: messages then wait, and cost no time."""
        return min((camera.rest_s for camera in self._cameras.values()), default=0.0)

    def look(self) -> str:
        """Looks who is there; returns what is still missing, empty where nothing is."""
        elsewhere = set()
        for topic, kinds in self._node.get_topic_names_and_types():
            if _POSES not in kinds:
                continue
            for publisher in self._node.get_publishers_info_by_topic(topic):
                if publisher.node_namespace == _UNKNOWN:  # yet to be discovered
                    continue
                if publisher.node_namespace != self._namespace:
                    elsewhere.add(publisher.node_namespace)
                elif topic not in self._cameras:
                    camera = topic[len(self._namespace.rstrip("/")) :].removesuffix(_OF_CAMERA)
                    self._cameras[topic] = CameraView(
                        self._node, topic, camera.strip("/"), self._recording, self._rate
                    )
                    self._cameras[topic].places = self._places
        if not self._cameras:
            found = ", ".join(f"{name} (--ros {name})" for name in sorted(elsewhere))
            return (
                f"no node in {self._namespace} publishes poses; there are some in {found}"
                if found
                else f"no node publishes poses, in {self._namespace} or anywhere: start one, or "
                "check ROS_DOMAIN_ID"
            )
        if problem := next((c.problem for c in self._cameras.values() if c.problem), ""):
            return problem
        silent = [topic for topic, camera in self._cameras.items() if not camera.heard]
        return f"nothing has come on {', '.join(silent)} yet" if silent else ""

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            node, _, part = status.name.partition(": ")
            place = "/" + node.rpartition("/")[0]
            if place != self._namespace or not is_ours(status):
                continue
            values = {value.key: value.value for value in status.values}
            if part == "process":
                self._take_process(values)
            else:
                self._take_camera(f"/{node}", part, status, values)

    def _take_process(self, values: dict[str, str]) -> None:
        memory = values.get("memory (MB)")
        if memory:
            self._recording.log_memory(float(memory))

    def _take_camera(
        self, node: str, part: str, status: DiagnosticStatus, values: dict[str, str]
    ) -> None:
        camera = next((c for c in self._cameras.values() if (c.name or "camera") == part), None)
        if camera is None:
            return
        camera.open_images(node, values.get("topic", ""), status.hardware_id)
        rate = values.get("frames a second out")
        if rate and camera.frames:
            self._recording.log_rate(camera.name, float(rate))
