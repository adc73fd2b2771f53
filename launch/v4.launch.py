"""Everyone in the image.

ros2 launch pose_estimation_ros v4.launch.py image:=/camera/image_raw
ros2 launch pose_estimation_ros v4.launch.py --show-args
"""

from launch import LaunchDescription

from pose_estimation_ros.ros.bringup.description import describe


def generate_launch_description() -> LaunchDescription:
    return describe("v4")
