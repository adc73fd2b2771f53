"""Starts the node."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from types import FrameType

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.ros.callback_executor import CameraExecutor
from pose_estimation_ros.ros.dds import shared_memory
from pose_estimation_ros.ros.log_folder import provide_log_folder
from pose_estimation_ros.ros.node import NODE_NAME, PoseEstimationNode

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHUTDOWN_WAIT_S = 0.5  # for the frame in work


class _SignalHandler:
    """Handles SIGINT and SIGTERM: interrupts loading the models, later ends spinning.

    A launch file's Ctrl-C arrives twice, so it must be harmless to repeat, which an exception
    thrown into the middle of the clean-up would not be: there is one at most.
    """

    def __init__(self) -> None:
        self.starting = True
        self.interrupted_start = False
        self._woken, self._waker = socket.socketpair()

    def install(self) -> None:
        """Installs the signal handlers.

        Another thread shuts rclpy down. A handler runs in the main thread, between any two of its
        steps: there it could wait for ever for a lock of rclpy that the same thread holds, and it
        would not run at all before the wait for the next callback ends.
        """
        threading.Thread(target=self._shut_down, name="shutdown", daemon=True).start()
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def _shut_down(self) -> None:
        while self._woken.recv(1)[0] not in _SIGNALS:
            pass
        rclpy.try_shutdown()

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        if self.starting:
            self.starting, self.interrupted_start = False, True
            raise KeyboardInterrupt


def main(args: list[str] | None = None) -> int:
    """Runs the node until it is interrupted; the exit code is 0 unless it could not start."""
    handler = _SignalHandler()
    initialised = False
    try:
        words = list(sys.argv if args is None else args) + provide_log_folder()
        rclpy.init(args=words, signal_handler_options=SignalHandlerOptions.NO)
        initialised = True
        handler.install()
        return _run(handler)
    except KeyboardInterrupt:
        return 0
    except PoseEstimationError as error:
        get_logger(NODE_NAME).fatal(str(error))
        return 1
    except ExternalShutdownException:
        return 0
    except Exception as error:
        if not initialised:  # wrong arguments, no keys for DDS security
            print(f"{NODE_NAME}: error: {_first_line(error)}", file=sys.stderr)
            return 1
        if rclpy.ok():
            raise
        return 0  # interrupted while it started, which is why it failed
    finally:
        rclpy.try_shutdown()
        if handler.interrupted_start:
            gc.collect()  # destroys the half-built node, which reference cycles keep alive
            shared_memory.remove(shared_memory.own())  # no other process would
            _exit_without_waiting()


def _first_line(error: Exception) -> str:
    """What rcl says, without the places in its source code."""
    if type(error).__name__ == "UnknownROSArgsError":  # its module is private to rclpy
        return f"unknown ROS arguments: {error}"
    return str(error).strip().split("\n")[0].split(", at /")[0]


def _run(handler: _SignalHandler) -> int:
    node = PoseEstimationNode()
    executor = CameraExecutor()
    try:
        executor.add_node(node)
        started = not node.get_parameter("autostart").value or _start(node)
        handler.starting = False
        if not started:
            return 0 if not rclpy.ok() else 1
        _spin(executor, node)
    finally:
        handler.starting = False
        over = node.stop(_SHUTDOWN_WAIT_S)
        executor.shutdown(timeout_sec=_SHUTDOWN_WAIT_S)
        node.destroy_node()
        if not over and not rclpy.ok():
            _exit_without_waiting()
    return 0


def _exit_without_waiting() -> None:
    """Exits without waiting for a model that is still computing, loading or hanging.

    Its thread cannot be stopped; where it came back into a Python that has gone, the process would
    be aborted.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _spin(executor: CameraExecutor, node: PoseEstimationNode) -> None:
    """Spins until shutdown; a callback that raises is logged and spinning continues."""
    while rclpy.ok():
        try:
            executor.spin()
        except ExternalShutdownException:
            return
        except Exception as error:
            if rclpy.ok():
                node.get_logger().error(f"a callback failed: {type(error).__name__}: {error}")


def _start(node: PoseEstimationNode) -> bool:
    done = TransitionCallbackReturn.SUCCESS
    return node.trigger_configure() == done and node.trigger_activate() == done


if __name__ == "__main__":
    sys.exit(main())
