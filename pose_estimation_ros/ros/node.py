"""The managed node: lifecycle, services, diagnostics, and the thread that answers frames."""

from __future__ import annotations

import threading

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.mailbox import Mailboxes
from pose_estimation_ros.engine.execution.memory import return_free_memory
from pose_estimation_ros.engine.execution.worker_pool import worker_layout
from pose_estimation_ros.engine.pipelines import Models, build_pipeline
from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.ros import parameters
from pose_estimation_ros.ros.camera import Camera, Job
from pose_estimation_ros.ros.health.process_monitor import ProcessMonitor
from pose_estimation_ros.ros.logs import forward_logs
from pose_estimation_ros.settings import Settings

NODE_NAME = "pose_estimation"
_DIAGNOSTICS_S = 1.0
_JOIN_S = 1.5


class PoseEstimationNode(LifecycleNode):
    """Images in, poses out; topics, services and parameters as in the README."""

    def __init__(self) -> None:
        """Declares the parameters.

        Raises:
            ConfigError: a parameter's value is not allowed.
        """
        super().__init__(NODE_NAME)
        forward_logs(self.get_logger())
        parameters.declare(self)
        self.add_on_set_parameters_callback(parameters.value_check())
        self.add_post_set_parameters_callback(self._on_parameters)
        self._settings = Settings()
        self._change_state = self._service_change_state.callback
        self._service_change_state.callback = self._on_change_state
        self._models: Models | None = None
        self._cameras: list[Camera] = []
        self._mailboxes: Mailboxes[Job] = Mailboxes(0)
        self._cancel = CancelToken()
        self._answering = threading.Lock()
        self._worker: threading.Thread | None = None
        self._monitor = ProcessMonitor()
        services = MutuallyExclusiveCallbackGroup()
        self.create_service(SetBool, "set_enabled", self._on_set_enabled, callback_group=services)
        self.create_service(
            Trigger, "reset_tracking", self._on_reset_tracking, callback_group=services
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # A steady clock: with simulated time paused, diagnostics still tell what is going on.
        self.create_timer(
            *(_DIAGNOSTICS_S, self._publish_diagnostics),
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the models and announces the topics."""
        try:
            parameters.read(self, self._settings)
            config = self._settings.engine
            self._models = build_models(config)
            self._models.load()
            names = self._settings.node.cameras or [""]
            self._mailboxes = Mailboxes(len(names))
            for index, name in enumerate(names):
                camera = Camera(self, name, index, self._mailboxes, self._settings.topics)
                camera.pipeline = build_pipeline(
                    config.pipeline,
                    self._models,
                    self._settings.pipeline,
                    self._settings.hybrid,
                )
                self._cameras.append(camera)
        except PoseEstimationError as error:
            self.get_logger().error(f"cannot configure: {error}")
            self._release()
            return TransitionCallbackReturn.FAILURE
        self._on_parameters([])
        workers, threads = worker_layout(config)
        self.get_logger().info(
            f"{config.pipeline}: detector {self._models.detector.status.active}, pose model "
            f"{self._models.pose.status.active}, {workers} workers with {threads} threads each"
        )
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Takes images and answers them."""
        self._cancel = CancelToken()
        self._worker = threading.Thread(
            target=self._answer_frames, args=(self._cancel,), name="pose_frames", daemon=True
        )
        self._worker.start()
        for camera in self._cameras:
            camera.subscribe((self._answering, self._cancel))
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Takes no more images; gives up the frame in work before its next step."""
        self.stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lets go of the models and topics."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops, from whatever state."""
        self.stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Goes back to unconfigured, from where it can be configured again."""
        self.stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    @property
    def _active(self) -> bool:
        return self._worker is not None

    def stop(self, wait_s: float = _JOIN_S) -> bool:
        """Stops answering frames; whether the last one, and whatever hung, is over by then."""
        self._worker = None
        self._cancel.cancel()
        for camera in self._cameras:
            camera.unsubscribe()
            camera.drop_waiting("deactivated")
        over = self._answering.acquire(timeout=wait_s)
        if over:
            self._answering.release()
        return over and not (self._models is not None and self._models.hang)

    def _release(self) -> None:
        for camera in self._cameras:
            camera.destroy()
        self._cameras.clear()
        if self._models is not None:
            self._models.close()
            self._models = None
            return_free_memory()

    # Frames

    def _answer_frames(self, cancel: CancelToken) -> None:
        while not cancel.cancelled:
            taken = self._mailboxes.take(timeout_s=0.2)
            if taken is not None:
                index, job = taken
                with self._answering:  # one at a time, also where the last thread is not yet done
                    self._cameras[index].answer_newest(job, cancel)

    # Parameters, services, diagnostics

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """As rclpy's, with a hint where a parameter cannot change while the node runs."""
        result = super().set_parameters_atomically(parameter_list)
        return parameters.with_restart_hint([p.name for p in parameter_list], result)

    def _on_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        """Refuses transitions that do not exist here; rclpy itself would end the process."""
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
        parameters.read_live(self, self._settings)
        for camera in self._cameras:
            camera.target_fps = self._settings.node.target_fps
            camera.max_pixels = self._settings.node.max_image_pixels

    def _on_set_enabled(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        for camera in self._cameras:
            camera.enabled = request.data
            if not request.data:
                camera.drop_waiting("disabled")
        response.success = bool(self._cameras)
        response.message = (
            ("enabled" if request.data else "disabled")
            if self._cameras
            else ("not configured: configure the node first")
        )
        return response

    def _on_reset_tracking(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        for camera in self._cameras:
            camera.reset_requested = True
        response.success = bool(self._cameras)
        response.message = (
            "identities start anew with the next frame"
            if self._cameras
            else "not configured: configure the node first"
        )
        return response

    def _publish_diagnostics(self) -> None:
        if not rclpy.ok(context=self.context):
            return
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name()
        budget = self._settings.node.max_memory_mb
        # Two nodes of one name answer each other's services and parameters, by chance.
        own = (self.get_name(), self.get_namespace())
        namesakes = self.get_node_names_and_namespaces().count(own) - 1
        status = self._monitor.status(
            name, self._active, budget, self._models, self._settings.pipeline, namesakes
        )
        message.status.append(status)
        message.status += [camera.report(self._active, self._models) for camera in self._cameras]
        self._diagnostics.publish(message)
