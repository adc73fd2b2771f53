"""`pose_estimation video`: poses in videos, images, cameras and streams, without ROS."""
