#!/bin/bash
# Runs a command with ROS and the package sourced.
set -e
# shellcheck disable=SC1091
source /opt/pose_estimation_ros/setup.bash
exec "$@"
