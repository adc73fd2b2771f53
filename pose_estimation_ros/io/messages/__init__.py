"""Converts camera messages, from ROS or rosbags, to pixels, depth and intrinsics."""
