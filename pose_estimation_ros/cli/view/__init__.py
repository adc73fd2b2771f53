"""`pose_estimation view`: people in the image and in 3D, and where the time goes, on Rerun."""
