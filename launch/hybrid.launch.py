"""One person or many, by what is seen.

ros2 launch pose_estimation_ros hybrid.launch.py image:=/camera/image_raw
ros2 launch pose_estimation_ros hybrid.launch.py --show-args
"""

from launch import LaunchDescription

from pose_estimation_ros.ros.bringup.description import describe


def generate_launch_description() -> LaunchDescription:
    return describe("hybrid")
