"""A running node seen from outside, for `pose_estimation view`."""
