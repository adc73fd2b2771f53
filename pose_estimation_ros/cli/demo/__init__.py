"""`pose_estimation demo`: the node as a user runs it, a camera beside it, and what comes out."""
