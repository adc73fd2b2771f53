"""`pose_estimation demo`: runs the real node with a simulated camera and shows the result."""
