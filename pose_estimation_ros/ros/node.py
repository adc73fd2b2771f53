"""The managed node: lifecycle, services, parameters and diagnostics."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from pose_estimation_ros.engine.execution.process_memory import return_free_memory
from pose_estimation_ros.engine.execution.worker_pool import worker_layout
from pose_estimation_ros.engine.pipelines import Models, build_pipeline
from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.ros import declared_parameters
from pose_estimation_ros.ros.camera import Camera
from pose_estimation_ros.ros.frame_worker import FrameWorker
from pose_estimation_ros.ros.health.diagnostics_publisher import (
    DiagnosticsPublisher,
    inactive_advice,
)
from pose_estimation_ros.ros.health.process_monitor import ProcessMonitor
from pose_estimation_ros.ros.log_lines import forward_logs
from pose_estimation_ros.settings import Settings

NODE_NAME = "pose_estimation"
_JOIN_S = 1.5


class PoseEstimationNode(LifecycleNode):
    """Images in, poses out; topics, services and parameters as in docs/."""

    def __init__(self, node_name: str = NODE_NAME, **kwargs: Any) -> None:
        """Declares the parameters.

        Args:
            node_name: the node's name.
            kwargs: as for rclpy.lifecycle.LifecycleNode: `namespace`, `context`,
                `parameter_overrides`, `cli_args`, ...

        Raises:
            ConfigError: a parameter's value is not allowed.
        """
        super().__init__(node_name, **kwargs)
        self._log_here = forward_logs(self.get_logger())
        declared_parameters.declare(self)
        for line in declared_parameters.unknown(self):
            self.get_logger().warning(line)
        self.add_on_set_parameters_callback(declared_parameters.value_check())
        self.add_post_set_parameters_callback(self._on_parameters)
        self._settings = Settings()
        declared_parameters.read_live(self, self._settings)
        self._change_state = self._service_change_state.callback
        self._service_change_state.callback = self._on_change_state
        self._failure = ""  # why the last transition failed
        self._models: Models | None = None
        self._worker = FrameWorker(cameras=0)
        self._cameras: list[Camera] = []
        self._enabled = True  # a privacy switch: it holds until somebody switches it
        self._monitor = ProcessMonitor()
        services = MutuallyExclusiveCallbackGroup()
        # Private names, so that two nodes of a namespace do not answer for each other; the others
        # are those of before.
        for place in ("~/", ""):
            for kind, name, answer in (
                (SetBool, "set_enabled", self._on_set_enabled),
                (Trigger, "reset_tracking", self._on_reset_tracking),
            ):
                self.create_service(kind, place + name, answer, callback_group=services)
        DiagnosticsPublisher(self, self._statuses)

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the models and announces the topics."""
        if not self._succeeds("configure", self._configure):
            self._release()
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _succeeds(self, what: str, action: Callable[[], object]) -> bool:
        """Whether it does; if not, the log and the diagnostics say why.

        rclpy takes whatever a transition raises for a failure, and says nothing of it.
        """
        self._log_here()
        self._failure = ""
        try:
            action()
            return True
        except PoseEstimationError as error:
            reason = str(error)
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self.get_logger().debug(traceback.format_exc())
        self._failure = f"cannot {what}: {reason}"
        self.get_logger().error(self._failure)
        return False

    def _configure(self) -> None:
        settings = self._settings
        declared_parameters.read(self, settings)
        self._models = build_models(settings.engine)
        self._models.load()
        names = settings.node.cameras or [""]
        self._worker = FrameWorker(len(names))
        for name in names:  # one by one, so that a failure leaves none behind
            self._cameras.append(self._camera(name, self._models))
        workers, threads = worker_layout(settings.engine)
        statuses = self._models.statuses()
        detector, pose = (statuses[chain].active for chain in ("detector", "pose model"))
        self.get_logger().info(
            f"{settings.engine.pipeline}: detector {detector}, pose model {pose}, "
            f"{workers} workers with {threads} threads each"
        )

    def _camera(self, name: str, models: Models) -> Camera:
        settings = self._settings
        pipeline = build_pipeline(settings.engine.pipeline, models, settings.pipeline)
        camera = Camera(self, name, pipeline, self._worker, settings)
        camera.set_enabled(self._enabled)
        return camera

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts processing images."""
        if not self._succeeds("activate", self._activate):
            self.stop()
            return TransitionCallbackReturn.FAILURE
        return super().on_activate(state)

    def _activate(self) -> None:
        self._worker.start()
        for camera in self._cameras:
            camera.activate()

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops processing images; the current one is cancelled before its next stage."""
        if not self._succeeds("deactivate", self.stop):
            return TransitionCallbackReturn.ERROR
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Releases models and topics."""
        done = self._succeeds("clean up", self._release)
        return TransitionCallbackReturn.SUCCESS if done else TransitionCallbackReturn.ERROR

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops from any state."""
        done = self._succeeds("shut down", self._end)
        return TransitionCallbackReturn.SUCCESS if done else TransitionCallbackReturn.ERROR

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Returns to unconfigured, so that the node can be configured again."""
        failure = self._failure  # of the transition that led here
        done = self._succeeds("recover", self._end)
        self._failure = self._failure or failure
        return TransitionCallbackReturn.SUCCESS if done else TransitionCallbackReturn.ERROR

    def _end(self) -> None:
        self.stop()
        self._release()

    def stop(self, wait_s: float = _JOIN_S) -> bool:
        """Stops processing; whether the last image, and any hung call, finished in time."""
        self._worker.stop()
        for camera in self._cameras:
            camera.deactivate()
        over = self._worker.wait(wait_s)
        return over and not (self._models is not None and self._models.hang)

    def _release(self) -> None:
        for camera in self._cameras:
            camera.close()
        self._cameras.clear()
        if self._models is not None:
            self._models.close()
            self._models = None
            return_free_memory()

    # Parameters, services, diagnostics

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Like rclpy's, with a hint if a parameter needs a restart."""
        parameter_list = declared_parameters.with_floats(parameter_list)
        result = super().set_parameters_atomically(parameter_list)
        return declared_parameters.with_restart_hint([p.name for p in parameter_list], result)

    def _on_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        """Rejects invalid transitions, on which rclpy would end the process."""
        try:
            return self._change_state(request, response)
        except rclpy_implementation.RCLError:
            possible = ", ".join(t[1] for t in self._state_machine.available_transitions)
            asked = request.transition.label or request.transition.id
            state = self._state_machine.current_state[1]
            self.get_logger().error(
                f"transition '{asked}' does not start in state '{state}': use one of {possible}"
            )
            response.success = False
            return response

    def _on_parameters(self, _changed: list[Parameter]) -> None:
        declared_parameters.read_live(self, self._settings)

    def _on_set_enabled(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        self._enabled = bool(request.data)
        for camera in self._cameras:
            camera.set_enabled(self._enabled)
        response.success = True
        response.message = "enabled" if self._enabled else "disabled"
        return response

    def _on_reset_tracking(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        for camera in self._cameras:
            camera.request_reset()
        response.success = bool(self._cameras)
        response.message = (
            "identities start anew with the next frame"
            if self._cameras
            else "not configured: configure the node first"
        )
        return response

    def _statuses(self) -> list[DiagnosticStatus]:
        """The process's status and one for each camera."""
        active, name = self._worker.running, self.get_fully_qualified_name()
        advice = "" if active else inactive_advice(name, self._state_machine.current_state[1])
        budget = self._settings.node.max_memory_mb
        # Two nodes of one name answer each other's services and parameters, by chance.
        own = (self.get_name(), self.get_namespace())
        namesakes = self.get_node_names_and_namespaces().count(own) - 1
        process = self._monitor.status(
            name, advice, budget, self._models, self._settings.pipeline, namesakes, self._failure
        )
        return [process, *(c.report(active, self._models, advice) for c in self._cameras)]
