"""The launch description shared by the launch files.

The node gets the packaged Fast DDS profile for large images, unless the environment names one.
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from pose_estimation_ros.package_files import PACKAGE, share_folder
from pose_estimation_ros.ros.dds import profile as dds_profile

# Argument -> default and description. Empty means: as the config file says.
_ARGUMENTS = {
    "image": ("image", "image topic to subscribe to"),
    "camera_info": ("camera_info", "camera info topic, for positions in metres"),
    "depth": ("depth", "aligned depth image topic, used with use_depth in the config file"),
    "model_path": ("", "pose model: a file or a name of the manifest"),
    "yolo_model": ("", "person detector: a file or a name of the manifest"),
    "config": ("", "file with the node's parameters, instead of the packaged one"),
    "namespace": ("", "namespace of the node and of its topics"),
    "use_sim_time": ("false", "take the time from /clock, as when a bag is played"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}


def describe(pipeline: str) -> LaunchDescription:
    """The node with a pipeline's packaged config file and the arguments above."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in _ARGUMENTS.items()
    ]

    def node(context: LaunchContext) -> list[Node]:
        value = {name: LaunchConfiguration(name).perform(context) for name in _ARGUMENTS}
        packaged = share_folder() / "config" / f"{pipeline}.yaml"
        given = {name: value[name] for name in ("model_path", "yolo_model") if value[name]}
        sim_time = {"use_sim_time": value["use_sim_time"].lower() in ("true", "1")}
        return [
            Node(
                package=PACKAGE,
                executable="pose_estimation_node",
                name="pose_estimation",
                namespace=value["namespace"],
                parameters=[value["config"] or str(packaged), given, sim_time],
                remappings=[
                    ("image", value["image"]),
                    ("image/compressed", f"{value['image']}/compressed"),
                    ("camera_info", value["camera_info"]),
                    ("depth", value["depth"]),
                ],
                arguments=["--ros-args", "--log-level", f"pose_estimation:={value['log_level']}"],
                additional_env=dds_profile.defaults(context.environment),
                output="screen",
                emulate_tty=True,
            )
        ]

    return LaunchDescription([*arguments, OpaqueFunction(function=node)])
