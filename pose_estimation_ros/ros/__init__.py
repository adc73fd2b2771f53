"""The ROS 2 node around the engine."""
