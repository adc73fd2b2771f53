"""`pose_estimation bench`: speed and memory of the engine and of the node, on this machine."""
