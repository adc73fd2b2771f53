"""`pose_estimation video`: estimates poses in videos, images and streams, without ROS."""
