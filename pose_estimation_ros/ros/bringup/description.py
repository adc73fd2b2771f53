"""The launch description of the launch files.

The node gets the packaged Fast DDS profile for large images, unless the environment names one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import ExecutableInPackage
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from pose_estimation_ros.package_files import PACKAGE, share_folder
from pose_estimation_ros.ros.bringup import arguments
from pose_estimation_ros.ros.bringup.parameter_files import chosen_file, parameters_of
from pose_estimation_ros.ros.bringup.topics import VIDEO_FRAME, CameraTopics, camera_topics
from pose_estimation_ros.ros.dds import profile as dds_profile

_NAME = "pose_estimation"
_RESPAWN_S = 2.0


def describe(pipeline: str) -> LaunchDescription:
    """The node with a pipeline's packaged parameter file and the arguments above it."""
    declared = [
        DeclareLaunchArgument(name, default_value="", description=text)
        for name, text in arguments.described(pipeline).items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=partial(_started, pipeline))])


def _started(pipeline: str, context: LaunchContext) -> list[Action]:
    """What the arguments ask for.

    Raises:
        ConfigError: one of them cannot be followed.
    """
    values: Mapping[str, str] = {
        name: value
        for name, value in context.launch_configurations.items()
        if isinstance(value, str)  # launch_ros keeps its own things there, too
    }
    arguments.check(values)
    given = arguments.given_settings(values)
    name = values.get("name", "") or _NAME
    full_name = _full_name(context, values.get("namespace", ""), name)
    files = [share_folder() / "config" / f"{pipeline}.yaml"]
    if (chosen := chosen_file(values)) is not None:
        files.append(chosen)
    in_files: dict[str, Any] = {}
    for file in files:
        in_files |= parameters_of(file, full_name)
    names = given.get("cameras", in_files.get("cameras", []))
    cameras = camera_topics(values, [camera for camera in names if camera])
    if any(camera.depth for camera in cameras):
        given.setdefault("use_depth", True)
    if any(camera.compressed for camera in cameras):
        given.setdefault("compressed", True)
    sim_time = arguments.flag(values, "use_sim_time")
    clock = {} if sim_time is None else {"use_sim_time": sim_time}
    level = values.get("log_level", "")
    common: dict[str, Any] = {
        "package": PACKAGE,
        "namespace": values.get("namespace", ""),
        "additional_env": dds_profile.defaults(context.environment),
        "output": "screen",
        "emulate_tty": True,
    }
    node = Node(
        executable="pose_estimation_node",
        name=name,
        parameters=[*map(str, files), _parameters({**given, **clock})],
        remappings=[rule for camera in cameras for rule in camera.remappings()],
        ros_arguments=["--log-level", f"{_logger(full_name)}:={level}"] if level else [],
        respawn=bool(arguments.flag(values, "respawn")),
        respawn_delay=_RESPAWN_S,
        **common,
    )
    players = [_player(camera, clock, common) for camera in cameras if camera.video]
    started: list[Action] = [node, *players]
    if arguments.flag(values, "rviz"):
        started.append(_rviz(values, given, cameras[0], common["namespace"]))
    if (options := arguments.view_options(values)) is not None:
        started.append(_view(full_name, options, common["additional_env"]))
    return started


def _parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Each value as what it is: launch_ros would take the text "0" for a number."""
    return {
        name: ParameterValue(
            value, value_type=list[str] if isinstance(value, list) else type(value)
        )
        for name, value in values.items()
    }


def _full_name(context: LaunchContext, namespace: str, name: str) -> str:
    base = context.launch_configurations.get("ros_namespace")
    place = make_namespace_absolute(prefix_namespace(base, namespace)) or "/"
    return f"{place.rstrip('/')}/{name}"


def _logger(full_name: str) -> str:
    return full_name.strip("/").replace("/", ".")


def _player(camera: CameraTopics, clock: dict[str, Any], common: dict[str, Any]) -> Node:
    """What plays a video, a webcam or the demo's scene as a camera."""
    return Node(
        executable="pose_estimation_camera",
        name=f"{camera.prefix.strip('/') or 'video'}_camera",
        arguments=[camera.video],
        parameters=[_parameters(clock)],
        remappings=camera.of_player(),
        **common,
    )


def _rviz(
    values: Mapping[str, str], given: dict[str, Any], camera: CameraTopics, namespace: str
) -> Node:
    """RViz with the first camera."""
    video = VIDEO_FRAME if camera.video else ""
    frame = values.get("rviz_frame", "") or given.get("target_frame", "") or video
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=namespace,
        arguments=["-d", str(share_folder() / "config" / "pose.rviz")]
        + (["-f", frame] if frame else []),
        remappings=[
            (f"/{topic}", f"{camera.prefix}{topic}") for topic in ("image_annotated", "markers")
        ],
    )


def _view(node: str, options: list[str], environment: dict[str, str]) -> ExecuteProcess:
    """The live view of a node, given by its full name; it finds the cameras by itself."""
    program = ExecutableInPackage(executable="pose_estimation", package=PACKAGE)
    return ExecuteProcess(
        cmd=[program, "view", "--ros", node.rpartition("/")[0] or "/", *options],
        additional_env=environment,
        output="screen",
        emulate_tty=True,
    )
