"""Everyone in the image.

ros2 launch pose_estimation_ros v4.launch.py image:=/camera/image_raw
"""

from launch import LaunchDescription

from pose_estimation_ros.ros.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    return describe("v4")
