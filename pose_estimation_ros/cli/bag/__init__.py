"""`pose_estimation bag`: estimates poses in recorded bags, without ROS."""
