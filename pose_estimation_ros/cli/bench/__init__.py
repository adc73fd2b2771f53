"""`pose_estimation bench`: measures speed and memory of the engine and the node."""
