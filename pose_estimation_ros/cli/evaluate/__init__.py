"""`pose_estimation evaluate`: accuracy of detector and pose model on annotated images."""
