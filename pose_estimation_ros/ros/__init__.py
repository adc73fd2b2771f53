"""The ROS 2 node around the engine: lifecycle, cameras, parameters, diagnostics."""
