"""`pose_estimation bag`: poses of every image in recorded bags, in order, without ROS."""
