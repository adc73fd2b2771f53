"""Camera messages as pixels, depth and intrinsics; ROS's and rosbags' objects are read alike."""
