"""Views what a running node answers, by its topics: to the node it is one more subscriber."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any

from pose_estimation_ros.cli._interrupt import Interruption
from pose_estimation_ros.errors import ConfigError
from pose_estimation_ros.ros.dds import profile as dds_profile
from pose_estimation_ros.view.destinations import Destinations, View

_LOOK_S, _PATIENCE_S, _SPIN_S = 0.5, 3.0, 0.1
_NICENESS = 19


def show_node(namespace: str, wanted: Destinations, rate: float, most: int) -> None:
    """Shows the answers of a namespace's node until Ctrl-C, or until the viewer is closed.

    Args:
        namespace: of the node, with or without the slash before it.
        wanted: where to show them.
        rate: the most frames a second and camera; 0 for all.
        most: ends after so many frames; 0 for none.

    Raises:
        ConfigError: ROS 2 is not sourced.
    """
    os.environ.update(dds_profile.defaults(os.environ))
    try:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        from pose_estimation_ros.ros.log_folder import provide_log_folder
        from pose_estimation_ros.ros.viewing.node_view import NodeView
    except ImportError as error:
        raise ConfigError(
            f"--ros needs ROS 2 ({error}): source it and the workspace; without --ros, "
            "`pose_estimation view` works without it"
        ) from error
    with contextlib.suppress(OSError):  # whatever there is to do for the node comes first
        os.nice(_NICENESS)
    with View(wanted) as view, Interruption() as interruption:
        view.announce()
        context = rclpy.Context()
        context.init(args=provide_log_folder())
        node = rclpy.create_node(f"pose_estimation_view_{os.getpid()}", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        shown = NodeView(node, namespace, view.stream, rate)
        try:
            _show(shown, executor, view, interruption, most)
        finally:
            executor.shutdown()
            node.destroy_node()
            context.try_shutdown()
        print(f"{shown.frames} frames shown", file=sys.stderr)


def _show(shown: Any, executor: Any, view: View, interruption: Interruption, most: int) -> None:
    began_s = look_s = time.monotonic()
    told = ""
    while not (interruption.asked or view.ended or (most and shown.frames >= most)):
        time.sleep(min(max(shown.rest_s, 0.0), _SPIN_S))
        executor.spin_once(timeout_sec=_SPIN_S)
        now_s = time.monotonic()
        if now_s < look_s:
            continue
        look_s = now_s + _LOOK_S
        missing = shown.look()
        if not missing or now_s - began_s > _PATIENCE_S:
            if missing and missing != told:
                print(f"note: {missing}", file=sys.stderr, flush=True)
            told = missing
