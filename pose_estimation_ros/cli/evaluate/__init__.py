"""`pose_estimation evaluate`: measures accuracy on annotated images."""
